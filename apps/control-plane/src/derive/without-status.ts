import { type Collection, derive, type Graph } from '@ambit/collections';
import { type AuthorizationPolicy, type PeerAuthentication, resourceName } from '@ambit/kube';

const none: AuthorizationPolicy['status'] = { conditions: [] };

/**
 * The same objects with nothing said of them. A policy can be read by every workload of the mesh; a condition that the leader
 * writes into its status must not have all of them derived again.
 */
export function withoutStatus<T extends AuthorizationPolicy | PeerAuthentication>(
  graph: Graph,
  objects: Collection<T>,
): Collection<T> {
  return derive<T, T>(graph, {
    name: `${objects.name}-without-status`,
    from: objects,
    keyOf: resourceName,
    transform: (object) => [{ ...object, status: none }],
  });
}

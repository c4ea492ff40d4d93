import { type Collection, derive, type Graph } from '@ambit/collections';
import { type Resource, type ResourceKinds, resourceName } from '@ambit/kube';
import type { MeshSources } from './mesh-sources.ts';
import type { StatusKind } from './status-write.ts';

/** What a status says before anybody has written one. */
const nothingSaid = {
  conditions: { conditions: [] },
  parents: { parents: [] },
  listeners: { conditions: [], listeners: [] },
  gateway: { addresses: [], conditions: [], listeners: [], attachedListenerSets: undefined },
} as const;

/** Nothing but statuses is derived from these. */
type ExtensionKind = 'EnvoyFilter' | 'TrafficExtension' | 'WasmPlugin';
/** Their addresses are facts, and what is derived from them stays equal when a condition is written. */
type FactKind = 'Service' | 'ServiceEntry' | 'WorkloadEntry';
/** Kinds whose status says only what controllers found. The address of a waypoint is read from the source. */
type JudgedKind = Exclude<StatusKind, ExtensionKind | FactKind>;

/**
 * The sources as everything is derived from them but statuses: judged kinds have an empty one. One policy can be read by every
 * workload of the mesh, one Gateway by a thousand routes; a condition that the leader writes must not have all of them derived
 * again. What still has to be written is derived from `MeshSources`.
 */
export type MeshObjects = Omit<MeshSources, JudgedKind> & {
  readonly [K in JudgedKind]: Collection<ResourceKinds[K]>;
};

export function meshObjects(graph: Graph, sources: MeshSources): MeshObjects {
  const { conditions, parents, listeners, gateway } = nothingSaid;
  const emptied = <T extends Resource & { readonly status: object }>(
    from: Collection<T>,
    status: T['status'],
  ): Collection<T> =>
    derive<T, T>(graph, {
      name: `${from.name}-without-status`,
      from,
      keyOf: resourceName,
      transform: (object) => [{ ...object, status }],
    });
  return {
    ...sources,
    AuthorizationPolicy: emptied(sources.AuthorizationPolicy, conditions),
    BackendTLSPolicy: emptied(sources.BackendTLSPolicy, parents),
    DestinationRule: emptied(sources.DestinationRule, conditions),
    GRPCRoute: emptied(sources.GRPCRoute, parents),
    Gateway: emptied(sources.Gateway, gateway),
    HTTPRoute: emptied(sources.HTTPRoute, parents),
    ListenerSet: emptied(sources.ListenerSet, listeners),
    PeerAuthentication: emptied(sources.PeerAuthentication, conditions),
    RateLimitPolicy: emptied(sources.RateLimitPolicy, conditions),
    RequestAuthentication: emptied(sources.RequestAuthentication, conditions),
    TCPRoute: emptied(sources.TCPRoute, parents),
    TLSRoute: emptied(sources.TLSRoute, parents),
    Telemetry: emptied(sources.Telemetry, conditions),
    UDPRoute: emptied(sources.UDPRoute, parents),
    VirtualService: emptied(sources.VirtualService, conditions),
  };
}

/** Which proxies ask which services to count: those that a policy can be for. */
import type { limit } from '@ambit/api';
import { type Collection, derive, type Graph } from '@ambit/collections';
import type { RateLimitPolicy } from '@ambit/kube';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import type { PlannedDestination } from './destination-plan.ts';
import type { L7Gateway } from './l7-gateway.ts';
import { rateLimitService } from './rate-limits.ts';

/** A service that one gateway may have to ask. */
export interface LimitServiceUse {
  /** Key of the gateway. */
  readonly gateway: string;
  /** Key of the service. */
  readonly service: string;
  readonly message: limit.RateLimitService;
}

export interface LimitServiceInputs {
  readonly objects: MeshObjects;
  readonly gateways: Collection<L7Gateway>;
  readonly served: Collection<PlannedDestination>;
  readonly settings: MeshSettings;
}

/** Policies act in their own namespace: at waypoints of it and of its services, and at gateways, whose routes may be there. */
export function limitServiceUses(
  graph: Graph,
  { objects, gateways, served, settings }: LimitServiceInputs,
): Collection<LimitServiceUse> {
  const byNamespace = gateways.index('by-namespace', ({ gateway }) => [gateway.metadata.namespace]);
  const edges = gateways.index('edges', ({ role }) => (role === 'gateway' ? ['all'] : []));
  const servedIn = served.index('by-namespace', ({ message }) => [message.namespace]);
  return derive<RateLimitPolicy, LimitServiceUse>(graph, {
    name: 'limit-service-uses',
    from: objects.RateLimitPolicy,
    keyOf: ({ gateway, message }) => `${gateway}|${message.name}`,
    transform: (policy, context) => {
      const found = rateLimitService(policy, settings);
      if (found === undefined) return [];
      const { namespace } = policy.metadata;
      const keys = [
        ...context.lookup(byNamespace, namespace).map(({ key }) => key),
        ...context.lookup(edges, 'all').map(({ key }) => key),
        ...context.lookup(servedIn, namespace).map(({ gateway }) => gateway),
      ];
      return [...new Set(keys)].map((gateway) => ({ gateway, service: found.key, message: found.message }));
    },
  });
}

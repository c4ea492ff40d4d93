/** The endpoints of a backend, read from the mesh's state. */
import type { LoadBalancingScope, PortMap, Service, Workload, WorkloadStore } from '@ambit/workload';

import type { TrafficPolicy } from '../../config/traffic-policy.ts';
import type { EndpointFacts } from './cluster-endpoint.ts';
import { endpointRoute } from './endpoint-route.ts';

export interface EndpointQuery {
  readonly store: WorkloadStore;
  readonly network: string;
  /** The proxy's own workload, from whose place the preference for near endpoints is judged. */
  readonly self: Workload | undefined;
  /** Addresses of a host name; empty as long as they are not known. */
  readonly resolve: (hostname: string) => readonly string[];
}

/** Numbers of istio.workload.LoadBalancing.Scope. */
const scopes: readonly (LoadBalancingScope | undefined)[] = [
  undefined,
  'region',
  'zone',
  'subzone',
  'node',
  'cluster',
  'network',
];

/** Endpoints of a service port that can be reached; `uids` undefined: all of them, else those of the subset. */
export function serviceEndpoints(
  query: EndpointQuery,
  service: Service,
  port: number,
  uids: ReadonlySet<string> | undefined,
  policy: TrafficPolicy,
): readonly EndpointFacts[] {
  const preferences = preferencesOf(service, policy);
  const cursor = query.store.endpointsOf(service, query.self);
  const found: EndpointFacts[] = [];
  while (cursor.advance()) {
    const weight = cursor.capacity;
    if (weight === 0) continue;
    let rank = 0;
    while (rank < preferences.length && cursor.matches(preferences[rank] ?? 'region')) rank++;
    const { ports } = cursor;
    const workload = cursor.workload();
    if (workload === undefined || (uids !== undefined && !uids.has(workload.uid))) continue;
    const targetPort = targetPortOf(service, port, ports);
    const route = endpointRoute(workload, query.network);
    if (targetPort === undefined || route === undefined) continue;
    for (const address of addressesOf(query, workload)) {
      const id =
        workload.addresses.length > 0 ? `${workload.uid}/${targetPort}` : `${workload.uid}/${address}/${targetPort}`;
      found.push({ id, socketAddress: { address, port: targetPort }, route, workload, weight, rank });
    }
  }
  return found;
}

/** One address that a client asked for. */
export function addressEndpoint(query: EndpointQuery, address: string, port: number): EndpointFacts | undefined {
  const workload = query.store.workloadByAddress(query.network, address);
  const route = endpointRoute(workload, query.network);
  if (route === undefined) return undefined;
  return { id: `${address}/${port}`, socketAddress: { address, port }, route, workload, weight: 1, rank: 0 };
}

/** What the destination rule says, else what the service says. */
function preferencesOf(service: Service, policy: TrafficPolicy): readonly LoadBalancingScope[] {
  if (policy.localityPreference.length > 0) return policy.localityPreference.flatMap((number) => scopes[number] ?? []);
  // `internalTrafficPolicy: Local` (strict) is not asked behind a waypoint, which need not be on the client's node.
  return service.loadBalancing?.mode === 'failover' ? service.loadBalancing.preferences : [];
}

function targetPortOf(service: Service, port: number, own: PortMap | undefined): number | undefined {
  const target = own?.get(port) ?? service.ports.get(port);
  return target === undefined || target === 0 ? undefined : target;
}

function addressesOf(query: EndpointQuery, workload: Workload): readonly string[] {
  const [first] = workload.addresses;
  if (first !== undefined) return [first];
  return workload.hostname === '' ? [] : query.resolve(workload.hostname);
}

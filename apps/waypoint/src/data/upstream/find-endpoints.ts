/** The endpoints of a backend, read from the mesh's state. */
import {
  type LoadBalancingScope,
  loadBalancingScopes,
  type PortMap,
  type Service,
  type Workload,
  type WorkloadStore,
} from '@ambit/workload';

import { type LocalityPreference, type LocalityShares, matchesLocality } from '../../config/locality-rules.ts';
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

const withinRegion: ReadonlySet<LoadBalancingScope | undefined> = new Set(['zone', 'subzone', 'node']);

/** Endpoints of a service port that can be reached; `uids` undefined: all of them, else those of the subset. */
export function serviceEndpoints(
  query: EndpointQuery,
  service: Service,
  port: number,
  uids: ReadonlySet<string> | undefined,
  policy: TrafficPolicy,
): readonly EndpointFacts[] {
  const preferences = preferencesIn(query, service, policy, uids);
  const shares = sharesOf(policy, query.self);
  const nextRegion = policy.locality.failover.get(query.self?.locality.region ?? '');
  const cursor = query.store.endpointsOf(service, query.self);
  const found: EndpointFacts[] = [];
  while (cursor.advance()) {
    const weight = cursor.capacity;
    if (weight === 0) continue;
    const { ports } = cursor;
    const workload = cursor.workload();
    if (workload === undefined || (uids !== undefined && !uids.has(workload.uid))) continue;
    let met = 0;
    while (met < preferences.length && meets(preferences[met], cursor, workload.uid)) met++;
    // Between the ranks of preferences there is room for the region that comes next.
    const rank = met * 2 + (met === 0 && nextRegion !== undefined && workload.locality.region === nextRegion ? 1 : 0);
    const share = shares?.to.findIndex(({ place }) => matchesLocality(place, workload.locality));
    // Places that are not listed get nothing.
    if (share === -1) continue;
    const targetPort = targetPortOf(service, port, ports);
    const route = endpointRoute(workload, query.network);
    if (targetPort === undefined || route === undefined) continue;
    for (const address of addressesOf(query, workload)) {
      const id =
        workload.addresses.length > 0 ? `${workload.uid}/${targetPort}` : `${workload.uid}/${address}/${targetPort}`;
      const socketAddress = { address, port: targetPort };
      const group = share === undefined ? undefined : { key: share, weight: shares?.to[share]?.weight ?? 0 };
      found.push({ id, socketAddress, route, workload, weight, rank, share: group });
    }
  }
  return found;
}

function sharesOf({ locality }: TrafficPolicy, self: Workload | undefined): LocalityShares | undefined {
  if (locality.distribute.length === 0 || self === undefined) return undefined;
  return locality.distribute.find(({ from }) => matchesLocality(from, self.locality));
}

function meets(
  preference: LocalityPreference | undefined,
  cursor: { matches(scope: LoadBalancingScope): boolean },
  uid: string,
): boolean {
  if (preference === undefined) return false;
  if (preference.kind === 'members') return preference.uids.has(uid);
  const scope = loadBalancingScopes[preference.scope];
  return scope === undefined || cursor.matches(scope);
}

/** One address that a client asked for. */
export function addressEndpoint(query: EndpointQuery, address: string, port: number): EndpointFacts | undefined {
  const workload = query.store.workloadByAddress(query.network, address);
  const route = endpointRoute(workload, query.network);
  if (route === undefined) return undefined;
  return {
    id: `${address}/${port}`,
    socketAddress: { address, port },
    route,
    workload,
    weight: 1,
    rank: 0,
    share: undefined,
  };
}

/** What the destination rule says, else what the service says. */
function preferencesOf(service: Service, { locality }: TrafficPolicy): readonly LocalityPreference[] {
  if (locality.preferences.length > 0 || locality.distribute.length > 0) return locality.preferences;
  // `internalTrafficPolicy: Local` (strict) is not asked behind a waypoint, which need not be on the client's node.
  if (service.loadBalancing?.mode !== 'failover') return [];
  return service.loadBalancing.preferences.map((scope) => ({
    kind: 'scope',
    scope: loadBalancingScopes.indexOf(scope),
  }));
}

/** With too few endpoints in the proxy's region that alone counts. Envoy: min_cluster_size of zone-aware balancing. */
function preferencesIn(
  query: EndpointQuery,
  service: Service,
  policy: TrafficPolicy,
  uids: ReadonlySet<string> | undefined,
): readonly LocalityPreference[] {
  const preferences = preferencesOf(service, policy);
  const { minRegionEndpoints } = policy.locality;
  if (minRegionEndpoints === 0) return preferences;
  const cursor = query.store.endpointsOf(service, query.self);
  let count = 0;
  while (count < minRegionEndpoints && cursor.advance()) {
    if (cursor.capacity === 0 || !cursor.matches('region')) continue;
    if (uids === undefined || uids.has(cursor.workload()?.uid ?? '')) count += 1;
  }
  if (count >= minRegionEndpoints) return preferences;
  return preferences.filter((one) => one.kind !== 'scope' || !withinRegion.has(loadBalancingScopes[one.scope]));
}

function targetPortOf(service: Service, port: number, own: PortMap | undefined): number | undefined {
  const target = own?.get(port) ?? service.ports.get(port);
  return target === undefined || target === 0 ? undefined : target;
}

/** Addresses to dial: one, or those of its name as far as they are known. */
export function addressesOf(query: EndpointQuery, workload: Workload): readonly string[] {
  const [first] = workload.addresses;
  if (first !== undefined) return [first];
  return workload.hostname === '' ? [] : query.resolve(workload.hostname);
}

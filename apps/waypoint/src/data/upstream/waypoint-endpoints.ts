/** The way of an ingress gateway to a service whose waypoint it has to go through. Spec: control-plane.md section 4. */
import { formatSocketAddress } from '@ambit/net';
import type { GatewayAddress, Service, WorkloadStore } from '@ambit/workload';

import type { EndpointFacts } from './cluster-endpoint.ts';
import { addressesOf, type EndpointQuery } from './find-endpoints.ts';

/**
 * Instances of the waypoint, each with the service's own address as what is asked of it; with a canary each of the two has its
 * weight of the requests, and a share that nobody can take goes to the other. Undefined when the service does not want that;
 * empty when it does and there is no way: then nothing goes around the waypoint.
 */
export function waypointEndpoints(
  query: EndpointQuery,
  service: Service,
  port: number,
): readonly EndpointFacts[] | undefined {
  if (!service.ingressUsesWaypoint || service.waypoint === undefined) return undefined;
  const vip = service.vips.find(({ network }) => network === query.network);
  if (vip === undefined) return [];
  const authority = formatSocketAddress({ address: vip.address, port });
  const weighted = service.weightedWaypoints.filter(({ weight }) => weight > 0);
  if (weighted.length === 0) return instances(query, service.waypoint, authority, undefined);
  return weighted.flatMap(({ destination, weight }, key) => instances(query, destination, authority, { key, weight }));
}

function instances(
  query: EndpointQuery,
  address: GatewayAddress,
  authority: string,
  share: EndpointFacts['share'],
): readonly EndpointFacts[] {
  const waypoint = serviceOf(query.store, address);
  if (waypoint === undefined) return [];
  const cursor = query.store.endpointsOf(waypoint, query.self);
  const found: EndpointFacts[] = [];
  while (cursor.advance()) {
    const weight = cursor.capacity;
    const workload = cursor.workload();
    if (weight === 0 || workload === undefined) continue;
    const route = { kind: 'hbone', identity: workload.identity, authority } as const;
    for (const ip of addressesOf(query, workload)) {
      const socketAddress = { address: ip, port: address.hbonePort };
      found.push({ id: `${workload.uid}/${ip}`, socketAddress, route, workload, weight, rank: 0, share });
    }
  }
  return found;
}

function serviceOf(store: WorkloadStore, { destination }: GatewayAddress): Service | undefined {
  if (destination.kind !== 'address') return store.serviceByKey(`${destination.namespace}/${destination.hostname}`);
  return store.bestServiceByVip(destination.network, destination.address);
}

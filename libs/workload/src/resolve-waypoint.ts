/** Waypoints of services and workloads. Pure. Spec: contract data-plane 5.4 step 5 and 5.6. */
import type { GatewayAddress, Service, Workload } from './workload.ts';
import { type WorkloadView, findAddress, findHostname } from './workload-view.ts';

/** The waypoint of a service for one connection: by weight when there are weights. */
export function chooseWaypoint(
  service: Pick<Service, 'waypoint' | 'weightedWaypoints'>,
  random: () => number,
): GatewayAddress | undefined {
  const total = service.weightedWaypoints.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return service.waypoint;
  let left = random() * total;
  for (const { destination, weight } of service.weightedWaypoints) {
    left -= weight;
    if (left < 0) return destination;
  }
  return service.waypoint;
}

/**
 * True when the caller is an endpoint of the workload's own waypoint: both its identity and its
 * address must be those of one endpoint, since either alone can be shared.
 */
export function isWaypointOf(view: WorkloadView, workload: Workload, identity: string, address: string): boolean {
  if (workload.waypoint === undefined) return false;
  const { destination } = workload.waypoint;
  const found =
    destination.kind === 'address'
      ? findAddress(view, destination.network, destination.address)
      : findHostname(view, destination.namespace, destination.hostname);
  if (found === undefined) return false;
  const isCaller = (candidate: Workload): boolean =>
    candidate.identity === identity && candidate.addresses.includes(address);
  if (found.kind === 'workload') return isCaller(found.workload);
  const cursor = view.endpointsOf(found.service, undefined);
  while (cursor.advance()) {
    const endpoint = cursor.workload();
    if (endpoint !== undefined && isCaller(endpoint)) return true;
  }
  return false;
}

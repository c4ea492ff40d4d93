/**
 * Load balancing: which endpoint of a service takes a connection. Pure; one draw of `random` for
 * each choice. Spec: contract data-plane 5.5.
 */
import type { EndpointCursor } from './endpoint-cursor.ts';
import type { LoadBalancing, PortMap, Service, Workload } from './workload.ts';
import type { WorkloadView } from './workload-view.ts';

/** The chosen endpoint with its own port mapping. */
export interface ChosenEndpoint {
  readonly workload: Workload;
  readonly ports: PortMap;
}

/**
 * What is looked for. A waypoint is asked for by its HBONE port, which need not be a port of its
 * service when the waypoint takes an application tunnel.
 */
export type ResolutionMode = 'standard' | 'waypoint';

/** Picks an endpoint by rank and capacity; undefined when none can take the connection. */
export function chooseEndpoint(
  view: WorkloadView,
  caller: Workload,
  service: Service,
  servicePort: number,
  mode: ResolutionMode,
  random: () => number,
): ChosenEndpoint | undefined {
  const targetPort = service.ports.get(servicePort);
  if (mode === 'standard' && targetPort === undefined) return undefined;
  const cursor = view.endpointsOf(service, caller);
  const balancing = service.loadBalancing;

  let bestRank = 0;
  let totalCapacity = 0;
  while (cursor.advance()) {
    if (!isCandidate(cursor, mode, servicePort, targetPort)) continue;
    const rank = rankOf(cursor, balancing);
    if (rank === unusable || rank < bestRank) continue;
    if (rank > bestRank) {
      bestRank = rank;
      totalCapacity = 0;
    }
    totalCapacity += cursor.capacity;
  }
  if (totalCapacity === 0) return undefined;

  let left = random() * totalCapacity;
  cursor.restart();
  while (cursor.advance()) {
    if (!isCandidate(cursor, mode, servicePort, targetPort)) continue;
    if (rankOf(cursor, balancing) !== bestRank) continue;
    left -= cursor.capacity;
    if (left >= 0) continue;
    const workload = cursor.workload();
    return workload && { workload, ports: cursor.ports ?? noPorts };
  }
  return undefined;
}

/**
 * The port of the chosen endpoint: its own mapping, else the service's number, else (only with
 * an application tunnel that has a port) the service port itself.
 */
export function targetPortOf(service: Service, servicePort: number, endpoint: ChosenEndpoint): number | undefined {
  const own = endpoint.ports.get(servicePort);
  if (own !== undefined) return own;
  const numeric = service.ports.get(servicePort) ?? 0;
  if (numeric > 0) return numeric;
  return endpoint.workload.applicationTunnel?.port === undefined ? undefined : servicePort;
}

const unusable = -1;
const noPorts: PortMap = new Map();

function isCandidate(
  cursor: EndpointCursor,
  mode: ResolutionMode,
  servicePort: number,
  targetPort: number | undefined,
): boolean {
  // Without an address it can be reached through a gateway only, and only from another network.
  if (!cursor.hasAddress && (cursor.matches('network') || !cursor.hasGateway)) return false;
  if (mode === 'waypoint') return targetPort !== undefined || cursor.hasApplicationTunnel;
  return targetPort !== 0 || cursor.ports?.has(servicePort) === true;
}

/**
 * The number of preferences matched in a row from the first one. When the first is the network, a
 * mismatch does not end the row, and a match outweighs all the others together.
 */
function rankOf(cursor: EndpointCursor, balancing: LoadBalancing | undefined): number {
  if (balancing === undefined || balancing.mode === 'standard') return 0;
  const { preferences } = balancing;
  const prefersNetwork = preferences[0] === 'network';
  let matched = 0;
  let bonus = 0;
  for (const scope of preferences) {
    if (cursor.matches(scope)) {
      matched++;
      if (prefersNetwork && scope === 'network') bonus = preferences.length - 1;
    } else if (!(prefersNetwork && scope === 'network')) {
      break;
    }
  }
  if (balancing.mode === 'strict' && matched !== preferences.length) return unusable;
  return matched + bonus;
}

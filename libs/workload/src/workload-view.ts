import type { EndpointCursor } from './endpoint-cursor.ts';
import type { PortMap, Service, Workload } from './workload.ts';

/** What the pure planners may ask. Answers do not change while a planner runs. */
export interface WorkloadView {
  workloadByUid(uid: string): Workload | undefined;
  /** Best of the workloads with that address: pods before others, HBONE before plain. */
  workloadByAddress(network: string, address: string): Workload | undefined;
  workloadByHostname(namespace: string, hostname: string): Workload | undefined;
  /** By resource name `namespace/hostname`. */
  serviceByKey(key: string): Service | undefined;
  /** `caller` is the namespace of who asks; undefined sees everything and prefers nothing. */
  bestServiceByVip(network: string, address: string, caller?: string): Service | undefined;
  bestServiceByHost(hostname: string, caller?: string): Service | undefined;
  /** Every service with that host name, in order of their namespaces. */
  servicesByHost(hostname: string): readonly Service[];
  /** The endpoints of a service as a caller sees them. */
  endpointsOf(service: Service, caller: Workload | undefined): EndpointCursor;
  /** The ports of one endpoint, or undefined when the workload is not an endpoint. */
  endpointPorts(service: Service, uid: string): PortMap | undefined;
}

/** A workload or a service. */
export type Destination =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

/** L1, "what is this address?": workload first, then service. Spec: contract data-plane 5.3. */
export function findAddress(
  view: WorkloadView,
  network: string,
  address: string,
  caller?: string,
): Destination | undefined {
  const workload = view.workloadByAddress(network, address);
  if (workload !== undefined) return { kind: 'workload', workload };
  const service = view.bestServiceByVip(network, address, caller);
  return service && { kind: 'service', service };
}

/** What has that name: service first, then workload. */
export function findHostname(view: WorkloadView, namespace: string, hostname: string): Destination | undefined {
  const service = view.serviceByKey(`${namespace}/${hostname}`);
  if (service !== undefined) return { kind: 'service', service };
  const workload = view.workloadByHostname(namespace, hostname);
  return workload && { kind: 'workload', workload };
}

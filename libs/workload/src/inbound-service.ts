/** Which services an inbound connection may be meant for; for labels and ports. Pure. */
import type { Service, ServiceDescription, Workload } from './workload.ts';
import type { WorkloadView } from './workload-view.ts';

/** The services a workload is an endpoint of, as far as they have arrived. */
export function servicesOf(view: WorkloadView, workload: Workload): readonly Service[] {
  const services: Service[] = [];
  for (const key of workload.services.keys()) {
    const service = view.serviceByKey(key);
    if (service !== undefined) services.push(service);
  }
  return services;
}

/**
 * Which service an inbound connection was probably meant for, for labels only: the one the client
 * named if the workload belongs to it, else the first with that target port.
 * Spec: contract data-plane 5.7.
 */
export function guessInboundService(
  view: WorkloadView,
  services: readonly Service[],
  workload: Workload,
  port: number,
  namedHost: string | undefined,
): ServiceDescription | undefined {
  const named = services.find(({ hostname }) => hostname === namedHost);
  if (named !== undefined) return describe(named);
  const serving = services.find((service) => {
    const own = view.endpointPorts(service, workload.uid);
    for (const [servicePort, targetPort] of service.ports) {
      if (targetPort === port || own?.get(servicePort) === port) return true;
    }
    return false;
  });
  return serving && describe(serving);
}

function describe({ hostname, name, namespace }: Service): ServiceDescription {
  return { hostname, name, namespace };
}

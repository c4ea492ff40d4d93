import { workload } from '@ambit/api';
import type { Pod, WorkloadEntrySpec } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshPort, ServiceCandidate } from './mesh-service.ts';

/** Gives the port of one workload behind a service port; undefined when the workload has none. */
export type PortResolver = (port: MeshPort, source: ServiceCandidate['source']) => number | undefined;

/** The ports of a service as one workload offers them. Ports without a known target are left out. */
export function portList(service: ServiceCandidate, resolve: PortResolver): workload.PortList {
  const ports = service.ports.flatMap((port) => {
    const targetPort = resolve(port, service.source);
    // app_protocol stays unset here, as istiod leaves it.
    return targetPort === undefined ? [] : [create(workload.PortSchema, { servicePort: port.servicePort, targetPort })];
  });
  return create(workload.PortListSchema, { ports });
}

/**
 * Ports of a pod. A named target is a TCP container port of that name; for a ServiceEntry the port's own name is tried
 * first. Spec: control-plane.md section 3.2, services map.
 */
export function podPortResolver(pod: Pod): PortResolver {
  const named = new Map<string, number>();
  const running = pod.spec.initContainers.filter((container) => container.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...running]) {
    for (const port of container.ports) {
      if (port.protocol === 'TCP' && port.name !== undefined && !named.has(port.name))
        named.set(port.name, port.containerPort);
    }
  }
  return (port, source) => {
    if (source === 'ServiceEntry' && port.name !== undefined && named.has(port.name)) return named.get(port.name);
    return typeof port.target === 'number' ? port.target : named.get(port.target);
  };
}

/** Ports of a WorkloadEntry or inline endpoint: its own port of that name, else the target. Spec: section 3.3. */
export function entryPortResolver(entry: WorkloadEntrySpec): PortResolver {
  return (port, source) => {
    // The name a Service gives to a target is looked up as it is; any other port goes by its own name first.
    if (source === 'Service' && typeof port.target === 'string') return entry.ports[port.target];
    const byName = port.name === undefined ? undefined : entry.ports[port.name];
    if (byName !== undefined) return byName;
    return typeof port.target === 'number' ? port.target : entry.ports[port.target];
  };
}

/** Which pods stand behind a service at present, and on which port. Pure. */
import { matchesLabels, type Pod, type Service, type ServicePort } from '@ambit/kube';

export interface ServiceEndpoint {
  readonly pod: string;
  readonly addresses: readonly string[];
  readonly targetPort: number;
}

/** Pods the selector matches that are ready, or all that run when the service publishes unready ones. */
export function servicePods(service: Service, pods: readonly Pod[]): readonly Pod[] {
  if (Object.keys(service.spec.selector).length === 0) return [];
  return pods.filter(
    (pod) =>
      pod.metadata.namespace === service.metadata.namespace &&
      pod.status.podIPs.length > 0 &&
      (pod.status.isReady || service.spec.publishNotReadyAddresses) &&
      matchesLabels(service.spec.selector, pod.metadata.labels),
  );
}

/** Endpoints of one port; a pod without the port that is named has none. */
export function portEndpoints(port: ServicePort, pods: readonly Pod[]): readonly ServiceEndpoint[] {
  return pods.flatMap((pod) => {
    const targetPort = resolveTargetPort(port, pod);
    return targetPort === undefined ? [] : [{ pod: pod.metadata.name, addresses: pod.status.podIPs, targetPort }];
  });
}

export function isHeadless(service: Service): boolean {
  return service.spec.clusterIPs[0] === 'None';
}

function resolveTargetPort(port: ServicePort, pod: Pod): number | undefined {
  if (port.targetPort === undefined) return port.port;
  if (typeof port.targetPort === 'number') return port.targetPort;
  const named = pod.spec.containers
    .flatMap(({ ports }) => ports)
    .find(({ name, protocol }) => name === port.targetPort && protocol === port.protocol);
  return named?.containerPort;
}

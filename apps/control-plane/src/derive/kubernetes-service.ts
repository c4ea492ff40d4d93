import { workload } from '@ambit/api';
import type { Namespace, Service, ServicePort } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { appProtocol } from './app-protocol.ts';
import { ipBytes } from './ip-prefix.ts';
import { loadBalancing, trafficDistributionAnnotation } from './load-balancing.ts';
import type { ServiceCandidate } from './mesh-service.ts';
import { portProtocol } from './port-protocol.ts';
import { boundWaypoint, type ServiceBinding, setBinding } from './waypoint-binding.ts';

/** Host name of a Kubernetes Service. */
export function serviceHostname(name: string, namespace: string, settings: MeshSettings): string {
  return `${name}.${namespace}.svc.${settings.clusterDomain}`;
}

/** True for what the mesh knows as a service; ExternalName is an alias in DNS only. */
export function isMeshService(service: Service): boolean {
  return service.spec.type !== 'ExternalName';
}

/** A Kubernetes Service as a service of the mesh. Spec: control-plane.md section 3.4. */
export function kubernetesService(
  service: Service,
  namespace: Namespace | undefined,
  network: string,
  binding: ServiceBinding,
  settings: MeshSettings,
): ServiceCandidate {
  const { metadata, spec } = service;
  const hostname = serviceHostname(metadata.name, metadata.namespace, settings);
  const addresses = spec.clusterIPs.map(ipBytes).filter((bytes) => bytes !== undefined);
  const message = create(workload.ServiceSchema, {
    name: metadata.name,
    namespace: metadata.namespace,
    hostname,
    addresses: addresses.map((address) => ({ network, address })),
    ports: spec.ports.map(servicePortMessage),
    ipFamilies: ipFamilies(spec.ipFamilies, addresses),
    visibility: workload.Service_Visibility.PUBLIC,
  });
  const balancing = loadBalancing({
    isNodeLocal: spec.internalTrafficPolicy === 'Local',
    trafficDistribution:
      spec.trafficDistribution ??
      metadata.annotations[trafficDistributionAnnotation] ??
      namespace?.metadata.annotations[trafficDistributionAnnotation],
    allowsUnhealthy: spec.publishNotReadyAddresses,
    isPassthrough: false,
  });
  if (balancing !== undefined) message.loadBalancing = balancing;
  setBinding(message, binding);
  return {
    source: 'Service',
    namespace: metadata.namespace,
    name: metadata.name,
    creationTimestamp: metadata.creationTimestamp,
    hostname,
    selector: spec.selector,
    ports: spec.ports.map((port) => ({
      name: port.name,
      servicePort: port.port,
      target: port.targetPort ?? port.port,
      protocol: portProtocol({
        number: port.port,
        name: port.name,
        declared: port.appProtocol,
        isUdp: port.protocol === 'UDP',
      }),
    })),
    waypoint: boundWaypoint(binding.binding),
    canary: binding.canary?.waypoint,
    isClosed: binding.closedBy !== undefined,
    message,
    origin: service.origin,
  };
}

function servicePortMessage(port: ServicePort): workload.Port {
  return create(workload.PortSchema, {
    servicePort: port.port,
    targetPort: typeof port.targetPort === 'string' ? 0 : (port.targetPort ?? port.port),
    appProtocol: appProtocol({
      number: port.port,
      name: port.name,
      declared: port.appProtocol,
      isUdp: port.protocol === 'UDP',
    }),
  });
}

/** The field, or what the API server would have filled in from the addresses. */
function ipFamilies(written: readonly ('IPv4' | 'IPv6')[], addresses: readonly Uint8Array[]): workload.IPFamilies {
  const families = new Set(
    written.length > 0 ? written : addresses.map((address) => (address.length === 4 ? 'IPv4' : 'IPv6')),
  );
  if (families.size === 2) return workload.IPFamilies.DUAL;
  if (families.has('IPv4')) return workload.IPFamilies.IPV4_ONLY;
  return families.has('IPv6') ? workload.IPFamilies.IPV6_ONLY : workload.IPFamilies.AUTOMATIC;
}

import { workload } from '@ambit/api';
import type { EndpointSlice, SliceEndpoint } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { ipBytes } from './ip-prefix.ts';
import type { MeshService } from './mesh-service.ts';
import { meshWorkload, type MeshWorkload, wireTrustDomain } from './mesh-workload.ts';

/** Name of the service a slice belongs to; undefined for slices that belong to none. */
export function sliceServiceName(slice: EndpointSlice): string | undefined {
  return slice.metadata.labels['kubernetes.io/service-name'];
}

/** `namespace/name` of the pods a slice refers to. */
export function slicePods(slice: EndpointSlice): readonly string[] {
  return slice.endpoints.filter(isPodEndpoint).map((endpoint) => podName(slice, endpoint));
}

/** True when one of the slice's endpoints is this pod. An UID counts if both sides have one. */
export function refersToPod(slice: EndpointSlice, name: string, uid: string | undefined): boolean {
  return slice.endpoints.some((endpoint) => {
    if (!isPodEndpoint(endpoint) || podName(slice, endpoint) !== name) return false;
    const wanted = endpoint.targetRef?.uid;
    return wanted === undefined || uid === undefined || wanted === uid;
  });
}

/**
 * Workloads for the addresses of a slice that are no pods: never found by IP, without identity or policy.
 * Spec: control-plane.md section 3.3, EndpointSlices.
 */
export function endpointSliceWorkloads(
  slice: EndpointSlice,
  service: MeshService,
  network: string,
  settings: MeshSettings,
): readonly MeshWorkload[] {
  if (slice.addressType === 'FQDN') return [];
  const ports = slicePorts(slice, service);
  return slice.endpoints
    .filter((endpoint) => !isPodEndpoint(endpoint))
    .flatMap((endpoint) =>
      endpoint.addresses.flatMap((text) => {
        const address = ipBytes(text);
        if (address === undefined) return [];
        const { namespace, name } = slice.metadata;
        const message = create(workload.WorkloadSchema, {
          uid: `${settings.clusterId}/discovery.k8s.io/EndpointSlice/${namespace}/${name}/${text}`,
          name,
          namespace,
          addresses: [address],
          network,
          trustDomain: wireTrustDomain(settings.trustDomain),
          status: (endpoint.isReady ?? true) ? workload.WorkloadStatus.HEALTHY : workload.WorkloadStatus.UNHEALTHY,
          clusterId: settings.clusterId,
          networkMode: workload.NetworkMode.HOST_NETWORK,
        });
        return [meshWorkload(message, [[service.key, ports]])];
      }),
    );
}

function slicePorts(slice: EndpointSlice, service: MeshService): workload.PortList {
  const ports = service.candidate.ports.flatMap((port) => {
    const target = slice.ports.find(
      (candidate) =>
        candidate.name === (port.name ?? '') && candidate.protocol === 'TCP' && candidate.port !== undefined,
    )?.port;
    return target === undefined
      ? []
      : [create(workload.PortSchema, { servicePort: port.servicePort, targetPort: target })];
  });
  return create(workload.PortListSchema, { ports });
}

function isPodEndpoint(endpoint: SliceEndpoint): boolean {
  return endpoint.targetRef?.kind === 'Pod';
}

function podName(slice: EndpointSlice, endpoint: SliceEndpoint): string {
  return `${endpoint.targetRef?.namespace ?? slice.metadata.namespace}/${endpoint.targetRef?.name ?? ''}`;
}

import { workload } from '@ambit/api';
import type { Pod } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { ipBytes } from './ip-prefix.ts';
import { meshWorkload, type MeshWorkload, type Opening, type ServicePorts, wireTrustDomain } from './mesh-workload.ts';
import { tunnelOf } from './tunnel.ts';
import { canonicalName, canonicalRevision, podWorkloadName } from './workload-naming.ts';

/** Policies and waypoint of a workload. */
export interface Attachments {
  /** Names of the policies that select it, in the order of section 5.5. */
  readonly policies: readonly string[];
  readonly openings: readonly Opening[];
  readonly waypoint: workload.GatewayAddress | undefined;
  /** Only on the pods of a waypoint that does not terminate HBONE itself. */
  readonly applicationTunnel: workload.ApplicationTunnel | undefined;
}

/** Writes waypoint and tunnel into the message of a workload. */
export function setAttachments(message: workload.Workload, attachments: Attachments): void {
  const { waypoint, applicationTunnel } = attachments;
  if (waypoint !== undefined) message.waypoint = waypoint;
  if (applicationTunnel !== undefined) message.applicationTunnel = applicationTunnel;
}

/** What a workload owes to other resources. */
export interface WorkloadSurroundings extends Attachments {
  readonly settings: MeshSettings;
  readonly network: string;
  readonly locality: workload.Locality | undefined;
  readonly services: ServicePorts;
}

/** True for pods that have a workload: an address, and not finished. */
export function hasWorkload(pod: Pod): boolean {
  const { phase, podIPs } = pod.status;
  return phase !== 'Succeeded' && phase !== 'Failed' && podIPs.length > 0;
}

/** UID of a pod. The empty part is the core API group; `//Pod/` decides between two claims to one IP in ztunnel. */
export function podUid(pod: Pod, settings: MeshSettings): string {
  return `${settings.clusterId}//Pod/${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** Spec: control-plane.md section 3.2. */
export function podWorkload(pod: Pod, surroundings: WorkloadSurroundings): MeshWorkload {
  const { metadata, spec, status } = pod;
  const { settings, network, locality, services, policies } = surroundings;
  const workloadName = podWorkloadName(pod);
  const tunnel = tunnelOf(metadata);
  const isHealthy = status.isReady && metadata.deletionTimestamp === undefined;
  const message = create(workload.WorkloadSchema, {
    uid: podUid(pod, settings),
    name: metadata.name,
    namespace: metadata.namespace,
    addresses: status.podIPs.map(ipBytes).filter((bytes) => bytes !== undefined),
    network,
    tunnelProtocol: tunnel.protocol,
    nativeTunnel: tunnel.isNative,
    trustDomain: wireTrustDomain(settings.trustDomain),
    serviceAccount: spec.serviceAccountName,
    node: spec.nodeName,
    canonicalName: canonicalName(metadata.labels, workloadName),
    canonicalRevision: canonicalRevision(metadata.labels),
    workloadType: workload.WorkloadType.POD,
    workloadName,
    authorizationPolicies: [...policies],
    status: isHealthy ? workload.WorkloadStatus.HEALTHY : workload.WorkloadStatus.UNHEALTHY,
    clusterId: settings.clusterId,
    networkMode: spec.hostNetwork ? workload.NetworkMode.HOST_NETWORK : workload.NetworkMode.STANDARD,
  });
  if (locality !== undefined) message.locality = locality;
  setAttachments(message, surroundings);
  return meshWorkload(message, services, surroundings.openings);
}

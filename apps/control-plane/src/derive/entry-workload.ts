import { workload } from '@ambit/api';
import type { Labels, ObjectMeta, ServiceEntry, WorkloadEntry, WorkloadEntrySpec } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { ipBytes } from './ip-prefix.ts';
import { writtenLocality } from './locality.ts';
import { meshWorkload, type MeshWorkload, type ServicePorts, wireTrustDomain } from './mesh-workload.ts';
import { type Attachments, setAttachments } from './pod-workload.ts';
import { tunnelOf } from './tunnel.ts';
import { canonicalName, canonicalRevision } from './workload-naming.ts';

/** Labels of a WorkloadEntry: both places count, the metadata win. Spec: control-plane.md section 3.3. */
export function workloadEntryLabels(entry: WorkloadEntry): Labels {
  return { ...entry.spec.labels, ...entry.metadata.labels };
}

interface EntryFacts {
  readonly uid: string;
  readonly metadata: ObjectMeta;
  /** What tunnel, canonical names and policies go by. */
  readonly labels: Labels;
  readonly workloadName: string;
  readonly spec: WorkloadEntrySpec;
}

export interface EntrySurroundings extends Attachments {
  readonly settings: MeshSettings;
  readonly network: string;
  readonly services: ServicePorts;
}

/** Spec: control-plane.md section 3.3, WorkloadEntry. */
export function workloadEntryWorkload(entry: WorkloadEntry, surroundings: EntrySurroundings): MeshWorkload {
  const { metadata, spec } = entry;
  const labels = workloadEntryLabels(entry);
  const facts: EntryFacts = {
    uid: `${surroundings.settings.clusterId}/networking.istio.io/WorkloadEntry/${metadata.namespace}/${metadata.name}`,
    metadata,
    labels,
    workloadName:
      metadata.annotations['istio.io/autoRegistrationGroup'] ??
      labels['service.istio.io/workload-name'] ??
      metadata.name,
    spec,
  };
  return entryWorkload(facts, surroundings);
}

/** An endpoint of a ServiceEntry: written, or a host that stands for itself. */
export interface InlineEndpoint {
  readonly spec: WorkloadEntrySpec;
  /** Hosts whose traffic it takes. */
  readonly hosts: readonly string[];
  /** The endpoint is the host itself, to be resolved by the client. */
  readonly isImplied: boolean;
}

const bareEndpoint = { ports: {}, labels: {}, network: undefined, locality: undefined, weight: undefined };

/** The endpoints a ServiceEntry brings itself. Spec: control-plane.md section 3.3, ServiceEntry. */
export function inlineEndpoints(entry: ServiceEntry): readonly InlineEndpoint[] {
  const { endpoints, hosts, resolution, workloadSelector } = entry.spec;
  if (endpoints.length > 0) return endpoints.map((spec) => ({ spec, hosts, isImplied: false }));
  const isResolved = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN' || resolution === 'DYNAMIC_DNS';
  if (workloadSelector !== undefined || !isResolved) return [];
  return hosts.map((host) => ({
    spec: { ...bareEndpoint, address: host, serviceAccount: undefined },
    hosts: [host],
    isImplied: true,
  }));
}

/** The workload of one inline endpoint. The ServiceEntry's labels count for tunnel and policies, not the endpoint's. */
export function inlineWorkload(
  entry: ServiceEntry,
  endpoint: InlineEndpoint,
  surroundings: EntrySurroundings,
): MeshWorkload {
  const { metadata } = entry;
  const { clusterId } = surroundings.settings;
  const facts: EntryFacts = {
    uid: `${clusterId}/networking.istio.io/ServiceEntry/${metadata.namespace}/${metadata.name}/${endpoint.spec.address}`,
    metadata,
    labels: metadata.labels,
    workloadName: metadata.name,
    spec: endpoint.spec,
  };
  return entryWorkload(facts, surroundings);
}

function entryWorkload(facts: EntryFacts, surroundings: EntrySurroundings): MeshWorkload {
  const { metadata, labels, workloadName, spec } = facts;
  const { settings, services, policies } = surroundings;
  const tunnel = tunnelOf({ annotations: metadata.annotations, labels });
  const address = ipBytes(spec.address);
  const message = create(workload.WorkloadSchema, {
    uid: facts.uid,
    name: metadata.name,
    namespace: metadata.namespace,
    addresses: address === undefined ? [] : [address],
    hostname: address === undefined ? spec.address : '',
    network: spec.network ?? surroundings.network,
    tunnelProtocol: tunnel.protocol,
    nativeTunnel: tunnel.isNative,
    trustDomain: wireTrustDomain(settings.trustDomain),
    // Stays empty when not written; the client reads `default`.
    serviceAccount: spec.serviceAccount ?? '',
    canonicalName: canonicalName(labels, workloadName),
    canonicalRevision: canonicalRevision(labels),
    workloadType: workload.WorkloadType.POD,
    workloadName,
    authorizationPolicies: [...policies],
    status: workload.WorkloadStatus.HEALTHY,
    clusterId: settings.clusterId,
  });
  if (spec.weight !== undefined && spec.weight > 0) message.capacity = spec.weight;
  const locality = writtenLocality(spec.locality);
  if (locality !== undefined) message.locality = locality;
  setAttachments(message, surroundings);
  return meshWorkload(message, services, surroundings.openings);
}

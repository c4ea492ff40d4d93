import assert from 'node:assert/strict';
import type { security, workload } from '@ambit/api';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { AddressAllocator } from '../../allocate/address-allocator.ts';
import { defaultMeshSettings, type MeshSettings } from '../../mesh-settings.ts';
import { type MeshCollections, meshCollections } from '../mesh-collections.ts';
import { workloadMessage } from '../mesh-workload.ts';
import { loadSources } from '../mesh-sources.ts';

/** What is derived, as messages by name; asking for what is not there fails the test. */
export interface TrapMesh {
  readonly mesh: MeshCollections;
  pod(name: string): workload.Workload;
  workload(uid: string): workload.Workload;
  service(key: string): workload.Service;
  policy(name: string): security.Authorization;
  /** `type status reason` of a resource, by `Kind/namespace/name`. */
  condition(key: string): string;
}

/** The mesh of some YAML. */
export function meshOf(text: string, settings: Partial<MeshSettings> = {}): TrapMesh {
  const { resources, reports } = parseManifests('trap.yaml', text);
  assert.deepEqual(reports, []);
  const table = new ResourceTable(resources);
  const mesh = meshCollections({ ...defaultMeshSettings, ...settings });
  mesh.graph.update(() => {
    loadSources(mesh.sources, table);
    mesh.sources.allocations.replace(new AddressAllocator().assign(table.list('ServiceEntry')));
  });
  const found = <T>(item: T | undefined, name: string): T => item ?? assert.fail(`there is no ${name}`);
  return {
    mesh,
    pod: (name: string) => workloadMessage(found(mesh.workloads.get(`Kubernetes//Pod/${name}`), name)),
    workload: (uid: string) => workloadMessage(found(mesh.workloads.get(uid), uid)),
    service: (key: string) => found(mesh.services.get(key), key).message,
    policy: (name: string) => found(mesh.policies.get(name), name).message,
    condition: (key: string) => {
      const [condition] = found(mesh.statuses.get(`${key}/ambit-status`), key).conditions ?? [];
      return [condition?.type, condition?.status, condition?.reason].join(' ');
    },
  };
}

export const ready = 'conditions: [{ type: Ready, status: "True" }]';

export const join = (...documents: readonly string[]): string => documents.join('\n---\n');

export function pod(
  name: string,
  ip: string,
  options: { metadata?: string; spec?: string; status?: string } = {},
): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: v1
kind: Pod
metadata: { namespace: ${namespace}, name: ${short}, ${options.metadata ?? ''} }
spec: { nodeName: node1, serviceAccountName: ${short}, ${options.spec ?? ''} }
status: { phase: Running, podIPs: [{ ip: "${ip}" }], ${options.status ?? ready} }`;
}

export function service(name: string, spec: string, metadata = ''): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: v1
kind: Service
metadata: { namespace: ${namespace}, name: ${short}, ${metadata} }
spec: { ${spec} }`;
}

export function entry(name: string, spec: string, metadata = ''): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: ${namespace}, name: ${short}, ${metadata} }
spec: { ${spec} }`;
}

export function policy(name: string, spec: string, metadata = ''): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: ${namespace}, name: ${short}, ${metadata} }
spec: { ${spec} }`;
}

export function peer(name: string, spec: string): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { namespace: ${namespace}, name: ${short} }
spec: { ${spec} }`;
}

export function gateway(
  name: string,
  status: string,
  options: { metadata?: string; listener?: string; of?: string } = {},
) {
  const [namespace, short] = name.split('/');
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: ${namespace}, name: ${short}, ${options.metadata ?? ''} }
spec: { gatewayClassName: ${options.of ?? 'istio-waypoint'}, listeners: [{ name: mesh, port: 15008, protocol: HBONE, ${options.listener ?? ''} }] }
status: { ${status} }`;
}

export function namespace(name: string, labels: string): string {
  return `apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: { ${labels} } }`;
}

export const at = '10.96.0.9';

export const hasAddress: string = `addresses: [{ type: IPAddress, value: ${at} }]`;

export const waypointOf = (item: { waypoint?: workload.GatewayAddress | undefined }): string | undefined => {
  const destination = item.waypoint?.destination;
  if (destination === undefined) return undefined;
  return destination.case === 'hostname' ? destination.value.hostname : destination.value?.address.join('.');
};

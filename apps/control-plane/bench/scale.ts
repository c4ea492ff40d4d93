/**
 * How long the control plane takes with many pods, without files and without a network.
 * Run: `node apps/control-plane/bench/scale.ts [pods]`. Prints times, memory and sizes.
 */
import { parseManifests, type Pod, type Resource, ResourceTable } from '@ambit/kube';
import { ADDRESS_TYPE, createContentVersion, ResourceStore } from '@ambit/xds';
import { meshTypes } from '../src/l7/l7-types.ts';
import { AddressAllocator } from '../src/allocate/address-allocator.ts';
import { meshCollections } from '../src/derive/mesh-collections.ts';
import { feedMesh } from '../src/mesh-feed.ts';
import { defaultMeshSettings } from '../src/mesh-settings.ts';
import { MeshPublisher } from '../src/publish/mesh-publisher.ts';

const count = Number(process.argv[2] ?? 20_000);
const podsPerService = 20;
const services = Math.ceil(count / podsPerService);
const namespaces = 50;

function template(): { readonly pod: Pod; readonly service: Resource; readonly policy: Resource } {
  const text = `apiVersion: v1
kind: Pod
metadata: { name: p, namespace: n, labels: { app: a, version: v1 }, annotations: { ambient.istio.io/redirection: enabled } }
spec: { serviceAccountName: sa, nodeName: node1, containers: [{ name: c, ports: [{ name: http, containerPort: 8080 }] }] }
status: { phase: Running, podIPs: [{ ip: 10.0.0.1 }], conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: v1
kind: Service
metadata: { name: s, namespace: n }
spec: { clusterIP: 10.96.0.1, selector: { app: a }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: s, namespace: n }
spec: { selector: { matchLabels: { app: a } }, rules: [{ from: [{ source: { namespaces: [n] } }] }] }
`;
  const [pod, service, policy] = parseManifests('bench.yaml', text).resources;
  if (pod?.kind !== 'Pod' || service === undefined || policy === undefined) throw new Error('the template is broken');
  return { pod, service, policy };
}

function makeResources(): Resource[] {
  const { pod, service, policy } = template();
  const resources: Resource[] = [];
  for (let index = 0; index < services; index++) {
    const metadata = { ...service.metadata, name: `s${index}`, namespace: `n${index % namespaces}` };
    const app = { app: `a${index}` };
    if (service.kind === 'Service') {
      const address = `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
      resources.push({ ...service, metadata, spec: { ...service.spec, clusterIPs: [address], selector: app } });
    }
    if (policy.kind === 'AuthorizationPolicy') {
      resources.push({ ...policy, metadata, spec: { ...policy.spec, selector: { matchLabels: app } } });
    }
  }
  for (let index = 0; index < count; index++) resources.push(podNumber(pod, index));
  return resources;
}

function podNumber(pod: Pod, index: number): Pod {
  const service = Math.floor(index / podsPerService);
  const labels = { app: `a${service}`, version: 'v1' };
  const address = `11.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
  return {
    ...pod,
    metadata: { ...pod.metadata, name: `p${index}`, namespace: `n${service % namespaces}`, labels },
    spec: { ...pod.spec, nodeName: `node${index % 100}` },
    status: { ...pod.status, podIPs: [address] },
  };
}

function timed(what: string, action: () => void): void {
  const start = performance.now();
  action();
  console.log(`${what.padEnd(44)} ${(performance.now() - start).toFixed(1)} ms`);
}

const mesh = meshCollections(defaultMeshSettings);
const store = new ResourceStore(meshTypes(await createContentVersion()));
let changed = 0;
const publisher = new MeshPublisher(mesh, store, (publication) => (changed = publication.changed));
const resources = makeResources();
const source = new ResourceTable(resources);
const allocator = new AddressAllocator();
console.log(`${count} pods, ${services} services, ${services} policies`);
timed('first derivation', () => {
  feedMesh({ mesh, source, allocator, onAllocated: () => undefined });
});
const { pod, policy } = template();
const replaceLast = (resource: Resource): void => {
  resources[resources.length - 1] = resource;
  source.replace(resources);
};
timed('one pod changes its labels', () =>
  replaceLast({ ...podNumber(pod, count - 1), metadata: { ...podNumber(pod, count - 1).metadata, labels: {} } }),
);
console.log(`  resources sent: ${changed}`);
timed('one selector policy is added', () =>
  source.replace([...resources, { ...policy, metadata: { ...policy.metadata, name: 'extra', namespace: 'n1' } }]),
);
timed('STRICT for the whole mesh', () => {
  const strict = parseManifests(
    's.yaml',
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: s, namespace: istio-system }\nspec: { mtls: { mode: STRICT } }\n',
  ).resources;
  source.replace([...resources, ...strict]);
});
console.log(`  resources sent: ${changed}`);
globalThis.gc?.();
const bytes = [...store.all(ADDRESS_TYPE).values()].reduce((sum, resource) => sum + resource.encodedLength, 0);
console.log(
  `full answer ${(bytes / 1e6).toFixed(1)} MB, rss ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB, heap ${(process.memoryUsage().heapUsed / 1e6).toFixed(0)} MB`,
);
publisher[Symbol.dispose]();

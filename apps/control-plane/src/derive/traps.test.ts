/**
 * The numbered traps of the control-plane contract, section 11, as far as derivation can fall into them. The others are
 * named in the README with the tests that cover them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { security, workload } from '@ambit/api';
import { createContentVersion } from '@ambit/xds';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  meshOf,
  join,
  pod,
  service,
  entry,
  policy,
  gateway,
  namespace,
  at,
  hasAddress,
  waypointOf,
} from './test-support/trap-mesh.ts';

test('trap 5: equal content has equal bytes and versions, whatever the order of creation', async () => {
  const parts = [
    pod('shop/a', '10.0.0.1', { metadata: 'labels: { app: a }' }),
    service('shop/z', 'selector: { app: a }, clusterIP: 10.96.0.1, ports: [{ port: 80 }]'),
    service('shop/b', 'selector: { app: a }, clusterIP: 10.96.0.2, ports: [{ port: 80 }]'),
    service('shop/m', 'selector: { app: a }, clusterIP: 10.96.0.3, ports: [{ port: 80 }]'),
  ];
  const version = await createContentVersion();
  const versionsOf = (documents: readonly string[]) => {
    const { mesh } = meshOf(join(...documents));
    return new Map([...mesh.workloads.entries()].map(([uid, { bytes }]) => [uid, version(bytes)]));
  };
  assert.deepEqual(versionsOf(parts), versionsOf(parts.toReversed()));
});

test('trap 10: a workload with sidecar mTLS is told as NONE, never as LEGACY_ISTIO_MTLS', () => {
  const { pod: find } = meshOf(pod('shop/a', '10.0.0.1', { metadata: 'labels: { security.istio.io/tlsMode: istio }' }));
  assert.equal(find('shop/a').tunnelProtocol, workload.TunnelProtocol.NONE);
});

test('trap 11: uid is field 20 of a workload and matches is field 2 of a clause', () => {
  const only = toBinary(workload.WorkloadSchema, fromBinary(workload.WorkloadSchema, Uint8Array.of(0xa2, 1, 1, 0x75)));
  assert.deepEqual([...only], [0xa2, 1, 1, 0x75]);
  const clause = fromBinary(security.ClauseSchema, Uint8Array.of(0x12, 0));
  assert.equal(clause.matches.length, 1);
});

test('trap 12: addresses are raw bytes, an IPv4-mapped one has four of them, and a host VIP has no length', () => {
  const { pod: find, service: of } = meshOf(
    join(
      pod('shop/a', '::ffff:10.0.0.1'),
      pod('shop/b', 'fd00::1'),
      entry(
        'shop/e',
        'hosts: [a.example.com], addresses: [198.51.100.1/32, 198.51.100.0/24], ports: [{ number: 80, name: h }], resolution: STATIC',
      ),
    ),
  );
  assert.deepEqual(
    find('shop/a').addresses.map((address) => [...address]),
    [[10, 0, 0, 1]],
  );
  assert.equal(find('shop/b').addresses[0]?.length, 16);
  assert.deepEqual(
    of('shop/a.example.com').addresses.map(({ length }) => length),
    [undefined, 24],
  );
});

test('trap 13: the network is empty by default, and a label of the root namespace changes it everywhere', () => {
  const objects = join(pod('shop/a', '10.0.0.1'), service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]'));
  const plain = meshOf(objects);
  assert.deepEqual(
    [plain.pod('shop/a').network, plain.service('shop/s.shop.svc.cluster.local').addresses[0]?.network],
    ['', ''],
  );
  const labelled = meshOf(join(objects, namespace('istio-system', 'topology.istio.io/network: net1')));
  assert.deepEqual(
    [labelled.pod('shop/a').network, labelled.service('shop/s.shop.svc.cluster.local').addresses[0]?.network],
    ['net1', 'net1'],
  );
});

test('trap 14: the trust domain cluster.local is empty on the wire, any other one is not', () => {
  const text = pod('shop/a', '10.0.0.1');
  assert.equal(meshOf(text).pod('shop/a').trustDomain, '');
  assert.equal(meshOf(text, { trustDomain: 'mesh.example' }).pod('shop/a').trustDomain, 'mesh.example');
});

test('trap 15: HBONE comes from the annotation of the node agent, not from labels', () => {
  const { pod: find } = meshOf(
    join(
      namespace('shop', 'istio.io/dataplane-mode: ambient'),
      pod('shop/asked', '10.0.0.1', { metadata: 'labels: { istio.io/dataplane-mode: ambient }' }),
      pod('shop/half', '10.0.0.2', { metadata: 'annotations: { ambient.istio.io/redirection: pending }' }),
      pod('shop/done', '10.0.0.3', { metadata: 'annotations: { ambient.istio.io/redirection: enabled }' }),
    ),
  );
  const { NONE, HBONE } = workload.TunnelProtocol;
  const protocols = ['asked', 'half', 'done'].map((name) => find(`shop/${name}`).tunnelProtocol);
  assert.deepEqual(protocols, [NONE, NONE, HBONE]);
});

test('trap 16: the UID of a pod holds //Pod/ and that of nothing else does', () => {
  const { mesh } = meshOf(
    join(
      pod('shop/a', '10.0.0.1'),
      'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: { namespace: shop, name: w }\nspec: { address: 10.0.0.2 }',
      entry('shop/e', 'hosts: [a.example.com], ports: [{ number: 80, name: h }], resolution: DNS'),
    ),
  );
  const uids = [...mesh.workloads.entries()].map(([uid]) => uid);
  assert.deepEqual(
    uids.filter((uid) => uid.includes('//Pod/')),
    ['Kubernetes//Pod/shop/a'],
  );
  assert.equal(uids.length, 3);
});

test('trap 17: pods outside the mesh, host-network pods and endpoints without pods are sent too', () => {
  const { mesh, pod: find } = meshOf(
    join(
      pod('plain/a', '10.0.0.1'),
      pod('kube-system/proxy', '192.168.0.1', { spec: 'hostNetwork: true' }),
      service('default/kubernetes', 'clusterIP: 10.96.0.1, ports: [{ name: https, port: 443 }]'),
      `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: kubernetes, labels: { kubernetes.io/service-name: kubernetes } }
addressType: IPv4
endpoints: [{ addresses: [192.168.0.9] }]
ports: [{ name: https, port: 6443, protocol: TCP }]`,
    ),
  );
  assert.equal(find('kube-system/proxy').networkMode, workload.NetworkMode.HOST_NETWORK);
  assert.deepEqual([...mesh.workloads.entries()].map(([uid]) => uid).toSorted(), [
    'Kubernetes//Pod/kube-system/proxy',
    'Kubernetes//Pod/plain/a',
    'Kubernetes/discovery.k8s.io/EndpointSlice/default/kubernetes/192.168.0.9',
  ]);
});

test('trap 18: a named target is 0 in the service and a number in each pod that has it', () => {
  const named = 'containers: [{ name: c, ports: [{ name: web, containerPort: 8080 }] }]';
  const { pod: find, service: of } = meshOf(
    join(
      service('shop/s', 'selector: { app: s }, clusterIP: 10.96.0.1, ports: [{ port: 80, targetPort: web }]'),
      pod('shop/has', '10.0.0.1', { metadata: 'labels: { app: s }', spec: named }),
      pod('shop/lacks', '10.0.0.2', { metadata: 'labels: { app: s }' }),
    ),
  );
  const key = 'shop/s.shop.svc.cluster.local';
  assert.equal(of(key).ports[0]?.targetPort, 0);
  assert.equal(find('shop/has').services[key]?.ports[0]?.targetPort, 8080);
  assert.deepEqual(find('shop/lacks').services[key]?.ports, []);
});

test('trap 19: headless has no VIP, ExternalName does not exist, resolution NONE passes through to all', () => {
  const { mesh, service: of } = meshOf(
    join(
      service('shop/headless', 'clusterIP: None, selector: { app: h }, ports: [{ port: 80 }]'),
      service('shop/alias', 'type: ExternalName, externalName: example.com'),
      entry('shop/any', 'hosts: [any.example.com], ports: [{ number: 80, name: h }], resolution: NONE'),
    ),
  );
  assert.deepEqual(of('shop/headless.shop.svc.cluster.local').addresses, []);
  assert.equal(mesh.services.get('shop/alias.shop.svc.cluster.local'), undefined);
  const balancing = of('shop/any.example.com').loadBalancing;
  assert.equal(balancing?.mode, workload.LoadBalancing_Mode.PASSTHROUGH);
  assert.equal(balancing?.healthPolicy, workload.LoadBalancing_HealthPolicy.ALLOW_ALL);
});

test('trap 20: publishNotReady is the service’s health policy, readiness the workload’s, terminating is unhealthy', () => {
  const { pod: find, service: of } = meshOf(
    join(
      service('shop/s', 'clusterIP: 10.96.0.1, publishNotReadyAddresses: true, ports: [{ port: 80 }]'),
      pod('shop/ready', '10.0.0.1'),
      pod('shop/starting', '10.0.0.2', { status: 'conditions: []' }),
      pod('shop/ending', '10.0.0.3', { metadata: 'deletionTimestamp: "2026-01-01T00:00:00Z"' }),
    ),
  );
  const { HEALTHY, UNHEALTHY } = workload.WorkloadStatus;
  const statuses = ['ready', 'starting', 'ending'].map((name) => find(`shop/${name}`).status);
  assert.deepEqual(statuses, [HEALTHY, UNHEALTHY, UNHEALTHY]);
  const balancing = of('shop/s.shop.svc.cluster.local').loadBalancing;
  assert.equal(balancing?.healthPolicy, workload.LoadBalancing_HealthPolicy.ALLOW_ALL);
  assert.equal(balancing?.mode, workload.LoadBalancing_Mode.UNSPECIFIED_MODE);
});

test('trap 21: exportTo changes nothing; visibility is the mesh’s and PUBLIC by default', () => {
  const spec = 'hosts: [a.example.com], exportTo: ["."], ports: [{ number: 80, name: h }], resolution: DNS';
  const { PUBLIC, NAMESPACE } = workload.Service_Visibility;
  assert.equal(meshOf(entry('shop/e', spec)).service('shop/a.example.com').visibility, PUBLIC);
  const closed = { serviceEntryVisibility: { defaultVisibility: 'NAMESPACE', policies: [] } } as const;
  assert.equal(meshOf(entry('shop/e', spec), closed).service('shop/a.example.com').visibility, NAMESPACE);
});

test('trap 22: one host in several namespaces is sent for each, and exactly one is canonical', () => {
  const spec = 'hosts: [a.example.com], ports: [{ number: 80, name: h }], resolution: DNS';
  const { mesh } = meshOf(
    join(
      entry('one/e', spec, 'creationTimestamp: "2026-03-01T00:00:00Z"'),
      entry('two/e', spec, 'creationTimestamp: "2026-01-01T00:00:00Z"'),
      entry('three/e', spec, 'creationTimestamp: "2026-02-01T00:00:00Z"'),
    ),
  );
  const services = [...mesh.services.values()];
  assert.equal(services.length, 3);
  assert.deepEqual(
    services.filter(({ message }) => message.canonical).map(({ key }) => key),
    ['two/a.example.com'],
  );
});

test('trap 53: canary waypoints, visibility, CIDR VIPs and app_protocol are on the wire', () => {
  const { service: of } = meshOf(
    join(
      gateway('shop/w', hasAddress),
      gateway('shop/next', 'addresses: [{ value: 10.96.0.8 }]'),
      entry(
        'shop/e',
        'hosts: [a.example.com], addresses: [198.51.100.0/24], ports: [{ number: 80, name: h, protocol: HTTP2 }], resolution: STATIC',
        'labels: { istio.io/use-waypoint: w, istio.io/use-waypoint-canary: next }, annotations: { istio.io/use-waypoint-canary-weight: "5" }',
      ),
    ),
    { serviceEntryVisibility: { defaultVisibility: 'NAMESPACE', policies: [] } },
  );
  const sent = of('shop/a.example.com');
  assert.deepEqual(
    sent.weightedWaypoints.map(({ weight }) => weight),
    [95, 5],
  );
  assert.equal(sent.visibility, workload.Service_Visibility.NAMESPACE);
  assert.equal(sent.addresses[0]?.length, 24);
  assert.equal(sent.ports[0]?.appProtocol, workload.AppProtocol.HTTP2);
});

test('trap 56: inline endpoints take tunnel and policies from the entry and the waypoint from the endpoint', () => {
  const { workload: of } = meshOf(
    join(
      gateway('shop/w', hasAddress, { metadata: 'labels: { istio.io/waypoint-for: workload }' }),
      policy('shop/p', 'selector: { matchLabels: { app: e } }, rules: [{}]'),
      entry(
        'shop/e',
        'hosts: [a.example.com], ports: [{ number: 80, name: h }], resolution: STATIC, endpoints: [{ address: 198.51.100.1, labels: { istio.io/use-waypoint: w, app: x } }]',
        'labels: { app: e }',
      ),
    ),
  );
  const endpoint = of('Kubernetes/networking.istio.io/ServiceEntry/shop/e/198.51.100.1');
  assert.deepEqual(endpoint.authorizationPolicies, ['shop/p']);
  assert.equal(waypointOf(endpoint), at);
});

test('trap 57: the network of one inline endpoint is not that of the next one', () => {
  const { workload: of } = meshOf(
    entry(
      'shop/e',
      'hosts: [a.example.com], ports: [{ number: 80, name: h }], resolution: STATIC, endpoints: [{ address: 198.51.100.1, network: far }, { address: 198.51.100.2 }]',
    ),
  );
  const networks = [1, 2].map(
    (last) => of(`Kubernetes/networking.istio.io/ServiceEntry/shop/e/198.51.100.${last}`).network,
  );
  assert.deepEqual(networks, ['far', '']);
});

test('trap 58: both labels of a workload entry count, and those of the metadata win', () => {
  const { workload: of } = meshOf(
    join(
      `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { namespace: shop, name: w, labels: { app: meta } }
spec: { address: 198.51.100.1, labels: { app: spec, version: v7 } }`,
      policy('shop/p', 'selector: { matchLabels: { app: meta, version: v7 } }, rules: [{}]'),
    ),
  );
  const { authorizationPolicies, canonicalName, canonicalRevision } = of(
    'Kubernetes/networking.istio.io/WorkloadEntry/shop/w',
  );
  assert.deepEqual([authorizationPolicies, canonicalName, canonicalRevision], [['shop/p'], 'meta', 'v7']);
});

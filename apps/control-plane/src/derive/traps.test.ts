/**
 * The numbered traps of the control-plane contract, section 11, as far as derivation can fall into them. The others are
 * named in the README with the tests that cover them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { security, workload } from '@ambit/api';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { createContentVersion } from '@ambit/xds';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { AddressAllocator } from '../allocate/address-allocator.ts';
import { defaultMeshSettings, type MeshSettings } from '../mesh-settings.ts';
import { meshCollections } from './mesh-collections.ts';
import { workloadMessage } from './mesh-workload.ts';
import { loadSources } from './mesh-sources.ts';

/** The mesh of some YAML. Everything asked for must be there. */
function meshOf(text: string, settings: Partial<MeshSettings> = {}) {
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

const ready = 'conditions: [{ type: Ready, status: "True" }]';
const join = (...documents: readonly string[]): string => documents.join('\n---\n');

function pod(name: string, ip: string, options: { metadata?: string; spec?: string; status?: string } = {}): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: v1
kind: Pod
metadata: { namespace: ${namespace}, name: ${short}, ${options.metadata ?? ''} }
spec: { nodeName: node1, serviceAccountName: ${short}, ${options.spec ?? ''} }
status: { phase: Running, podIPs: [{ ip: "${ip}" }], ${options.status ?? ready} }`;
}

function service(name: string, spec: string, metadata = ''): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: v1
kind: Service
metadata: { namespace: ${namespace}, name: ${short}, ${metadata} }
spec: { ${spec} }`;
}

function entry(name: string, spec: string, metadata = ''): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: ${namespace}, name: ${short}, ${metadata} }
spec: { ${spec} }`;
}

function policy(name: string, spec: string, metadata = ''): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: ${namespace}, name: ${short}, ${metadata} }
spec: { ${spec} }`;
}

function peer(name: string, spec: string): string {
  const [namespace, short] = name.split('/');
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { namespace: ${namespace}, name: ${short} }
spec: { ${spec} }`;
}

function gateway(name: string, status: string, options: { metadata?: string; listener?: string; of?: string } = {}) {
  const [namespace, short] = name.split('/');
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: ${namespace}, name: ${short}, ${options.metadata ?? ''} }
spec: { gatewayClassName: ${options.of ?? 'istio-waypoint'}, listeners: [{ name: mesh, port: 15008, protocol: HBONE, ${options.listener ?? ''} }] }
status: { ${status} }`;
}

function namespace(name: string, labels: string): string {
  return `apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: { ${labels} } }`;
}

const at = '10.96.0.9';
const hasAddress = `addresses: [{ type: IPAddress, value: ${at} }]`;
const waypointOf = (item: { waypoint?: workload.GatewayAddress | undefined }): string | undefined => {
  const destination = item.waypoint?.destination;
  if (destination === undefined) return undefined;
  return destination.case === 'hostname' ? destination.value.hostname : destination.value?.address.join('.');
};

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

test('trap 23: a waypoint exists with the address of its status, however few pods it has', () => {
  const use = service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: w }');
  const key = 'shop/s.shop.svc.cluster.local';
  assert.equal(waypointOf(meshOf(join(use, gateway('shop/w', 'addresses: []'))).service(key)), undefined);
  assert.equal(waypointOf(meshOf(join(use, gateway('shop/w', hasAddress))).service(key)), at);
});

test('trap 24: a label that cannot be honoured means no waypoint, not that of the namespace', () => {
  const { service: of, condition } = meshOf(
    join(
      namespace('shop', 'istio.io/use-waypoint: w'),
      gateway('shop/w', hasAddress),
      service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: missing }'),
    ),
  );
  assert.equal(waypointOf(of('shop/s.shop.svc.cluster.local')), undefined);
  assert.equal(condition('Service/shop/s'), 'istio.io/WaypointBound False WaypointIsNotReady');
});

test('trap 25: host name over address, port 15008 always, for services by default, elsewhere by allowedRoutes only', () => {
  const both = `addresses: [{ type: IPAddress, value: ${at} }, { type: Hostname, value: w.infra.svc }]`;
  const label = (name: string) => `labels: { istio.io/use-waypoint: ${name}, istio.io/use-waypoint-namespace: infra }`;
  const spec = (ip: string) => `clusterIP: ${ip}, ports: [{ port: 80 }]`;
  const { service: of, pod: find } = meshOf(
    join(
      gateway('infra/w', both, { listener: 'allowedRoutes: { namespaces: { from: All } }' }),
      gateway('infra/own', both),
      service('shop/allowed', spec('10.96.0.1'), label('w')),
      service('shop/denied', spec('10.96.0.2'), label('own')),
      pod('shop/p', '10.0.0.1', { metadata: label('w') }),
    ),
  );
  assert.equal(waypointOf(of('shop/allowed.shop.svc.cluster.local')), 'w.infra.svc');
  assert.equal(of('shop/allowed.shop.svc.cluster.local').waypoint?.hboneMtlsPort, 15_008);
  assert.equal(waypointOf(of('shop/denied.shop.svc.cluster.local')), undefined);
  assert.equal(waypointOf(find('shop/p')), undefined);
});

test('trap 26: any gateway with an address can be named as waypoint, its class is not looked at', () => {
  const { service: of } = meshOf(
    join(
      gateway('shop/ingress', hasAddress, { of: 'nginx' }),
      service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: ingress }'),
    ),
  );
  assert.equal(waypointOf(of('shop/s.shop.svc.cluster.local')), at);
});

test('trap 27: policies with targets are not sent to ztunnels, and without a waypoint the status says that nobody enforces them', () => {
  const target = 'targetRefs: [{ group: "", kind: Service, name: s }], rules: [{}]';
  const { mesh, condition } = meshOf(
    join(service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]'), policy('shop/p', target)),
  );
  assert.equal(mesh.policies.size, 0);
  assert.equal(condition('AuthorizationPolicy/shop/p'), 'WaypointAccepted False AncestorNotBound');
});

test('trap 28: a policy that is sent without its HTTP parts is accepted with reason UnsupportedValue', () => {
  const { mesh, condition } = meshOf(
    policy('shop/p', 'action: DENY, rules: [{ to: [{ operation: { ports: ["80"], methods: [GET] } }] }]'),
  );
  assert.equal(mesh.policies.size, 1);
  assert.equal(condition('AuthorizationPolicy/shop/p'), 'ZtunnelAccepted True UnsupportedValue');
});

test('trap 29: a DENY rule of HTTP parts only has an empty match, an ALLOW rule with HTTP parts is gone', () => {
  const rules = 'rules: [{ to: [{ operation: { methods: [GET] } }] }]';
  const { policy: of, mesh } = meshOf(
    join(policy('shop/deny', `action: DENY, ${rules}`), policy('shop/allow', `action: ALLOW, ${rules}`)),
  );
  assert.deepEqual([...toBinary(security.RuleSchema, of('shop/deny').rules[0] ?? assert.fail())], [0x0a, 2, 0x12, 0]);
  assert.deepEqual(of('shop/allow').rules, []);
  assert.equal([...mesh.findings.values()].length, 2, 'and both are told to the user');
});

test('trap 30: no rule, a rule without clauses and a match without fields stay three different things', () => {
  const { policy: of } = meshOf(
    join(
      policy('shop/never', 'action: ALLOW'),
      policy('shop/always', 'action: ALLOW, rules: [{}]'),
      policy('shop/dead', 'action: DENY, rules: [{ to: [{ operation: { hosts: [a] } }] }]'),
    ),
  );
  assert.deepEqual(of('shop/never').rules, []);
  assert.deepEqual(
    of('shop/always').rules.map(({ clauses }) => clauses),
    [[]],
  );
  assert.deepEqual(
    of('shop/dead').rules.map(({ clauses }) => clauses.map(({ matches }) => matches.length)),
    [[1]],
  );
});

test('trap 31: trustDomains are not converted: alone an empty match, with others the others', () => {
  const { policy: of, mesh } = meshOf(
    join(
      policy('shop/alone', 'action: DENY, rules: [{ from: [{ source: { trustDomains: [a] } }] }]'),
      policy('shop/with', 'action: DENY, rules: [{ from: [{ source: { trustDomains: [a], namespaces: ["sh*"] } }] }]'),
    ),
  );
  const match = (name: string) => of(name).rules[0]?.clauses[0]?.matches[0] ?? assert.fail();
  assert.equal(toBinary(security.MatchSchema, match('shop/alone')).length, 0);
  assert.equal(match('shop/with').namespaces.length, 1);
  const told = [...mesh.findings.values()].map(({ message }) => message);
  assert.ok(told.some((message) => message.includes('shop/alone') && message.includes('trustDomains')));
  assert.ok(told.some((message) => message.includes('shop/with') && message.includes('trustDomains')));
});

test('trap 32: STRICT with open ports is one rule of ANDed clauses, PERMISSIVE with strict ports one rule per port', () => {
  const ports = (mode: string) => `portLevelMtls: { "80": { mode: ${mode} }, "81": { mode: ${mode} } }`;
  const { policy: of } = meshOf(
    join(
      peer('shop/strict', `selector: { matchLabels: { app: a } }, mtls: { mode: STRICT }, ${ports('PERMISSIVE')}`),
      peer('shop/open', `selector: { matchLabels: { app: b } }, mtls: { mode: PERMISSIVE }, ${ports('STRICT')}`),
    ),
  );
  const clauses = (name: string) =>
    of(`shop/converted_peer_authentication_${name}`).rules.map((rule) => rule.clauses.length);
  assert.deepEqual(clauses('strict'), [3]);
  assert.deepEqual(clauses('open'), [1, 1]);
});

test('trap 33: the static strict policy comes with the first PeerAuthentication and is for those who name it', () => {
  const name = 'istio-system/istio_converted_static_strict';
  assert.equal(meshOf(pod('shop/a', '10.0.0.1')).mesh.policies.get(name), undefined);
  const { policy: of, pod: find } = meshOf(
    join(pod('shop/a', '10.0.0.1'), peer('other/disable', 'mtls: { mode: DISABLE }')),
  );
  assert.equal(of(name).scope, security.Scope.WORKLOAD_SELECTOR);
  assert.deepEqual(find('shop/a').authorizationPolicies, []);
});

test('trap 34: DISABLE is PERMISSIVE, but on a port it does not open what is inherited as STRICT', () => {
  const { pod: find, mesh } = meshOf(
    join(
      peer('istio-system/mesh', 'mtls: { mode: STRICT }'),
      peer('off/all', 'mtls: { mode: DISABLE }'),
      peer('shop/port', 'selector: { matchLabels: { app: a } }, portLevelMtls: { "80": { mode: DISABLE } }'),
      pod('off/a', '10.0.0.1'),
      pod('shop/a', '10.0.0.2', { metadata: 'labels: { app: a }' }),
    ),
  );
  assert.deepEqual(find('off/a').authorizationPolicies, []);
  assert.deepEqual(find('shop/a').authorizationPolicies, ['istio-system/istio_converted_static_strict']);
  assert.ok([...mesh.findings.values()].some(({ message }) => message.includes('DISABLE on port 80')));
});

test('trap 45: configuration of another revision is not judged, so its control plane alone writes its status', () => {
  const labelled = policy('shop/p', 'rules: [{}]', 'labels: { istio.io/rev: other }');
  assert.equal(meshOf(labelled).mesh.statuses.size, 0);
  assert.equal(meshOf(labelled, { revisions: ['other'] }).mesh.statuses.size, 1);
});

test('trap 47: the service of a managed waypoint is never bound to a waypoint', () => {
  const managed = 'labels: { gateway.istio.io/managed: istio.io-mesh-controller, istio.io/use-waypoint: w }';
  const { service: of } = meshOf(
    join(gateway('shop/w', hasAddress), service('shop/w', `clusterIP: ${at}, ports: [{ port: 15008 }]`, managed)),
  );
  assert.equal(waypointOf(of('shop/w.shop.svc.cluster.local')), undefined);
});

test('trap 48: ingress gateways use the waypoint only where a label says so', () => {
  const spec = (ip: string) => `clusterIP: ${ip}, ports: [{ port: 80 }]`;
  const { service: of } = meshOf(
    join(
      gateway('shop/w', hasAddress),
      service('shop/a', spec('10.96.0.1'), 'labels: { istio.io/use-waypoint: w }'),
      service(
        'shop/b',
        spec('10.96.0.2'),
        'labels: { istio.io/use-waypoint: w, istio.io/ingress-use-waypoint: "true" }',
      ),
    ),
  );
  assert.deepEqual(
    ['a', 'b'].map((name) => of(`shop/${name}.shop.svc.cluster.local`).ingressUseWaypoint),
    [false, true],
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

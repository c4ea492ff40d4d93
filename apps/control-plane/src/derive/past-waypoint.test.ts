import assert from 'node:assert/strict';
import { test } from 'node:test';
import { security } from '@ambit/api';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { toJson } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { loadSources } from './mesh-sources.ts';
import { gateway, hasAddress, join, meshOf, namespace, pod, policy, service } from './test-support/trap-mesh.ts';

const uses = (waypoint: string, more = ''): string => `labels: { istio.io/use-waypoint: ${waypoint}${more} }`;
const spec = (app: string, ports = '[{ port: 80, targetPort: 8080 }]'): string =>
  `clusterIP: 10.96.1.1, selector: { app: ${app} }, ports: ${ports}`;
const targets = (kind: 'Service' | 'Gateway', name: string): string =>
  `action: DENY, targetRefs: [{ kind: ${kind}, group: ${kind === 'Service' ? '""' : 'gateway.networking.k8s.io'}, name: ${name} }], rules: [{ to: [{ operation: { methods: [PUT] } }] }]`;
const instance = (of: string, ip: string): string =>
  pod(`shop/${of}-0`, ip, { metadata: `labels: { gateway.networking.k8s.io/gateway-name: ${of}, app: web }` });
const web = (name: string, ip: string, more: string = '', containers = ''): string =>
  pod(`shop/${name}`, ip, { metadata: `labels: { app: web${more} }`, spec: containers });
const named = (port: number): string => `containers: [{ name: c, ports: [{ name: http, containerPort: ${port} }] }]`;

const webName = 'shop/ambit_past_waypoint_web.shop.svc.cluster.local';
const principal = (account: string): string => `cluster.local/ns/shop/sa/${account}`;

/** A service that a policy names, its waypoint with a pod, and a pod of its own. */
const governed = join(
  gateway('shop/w', hasAddress),
  instance('w', '10.0.0.1'),
  service('shop/web', spec('web'), uses('w')),
  web('web-0', '10.0.0.2'),
  policy('shop/p', targets('Service', 'web')),
);

/** What a policy refuses: ports, and who is let through; undefined without the policy. */
function refusalOf(text: string, name: string, settings: Partial<MeshSettings> = {}) {
  const found = meshOf(text, settings).mesh.policies.get(name)?.message;
  if (found === undefined) return undefined;
  assert.equal(found.action, security.Action.DENY);
  assert.equal(found.scope, security.Scope.WORKLOAD_SELECTOR);
  const [rule] = found.rules;
  const [match] = rule?.clauses[0]?.matches ?? [];
  return {
    rules: found.rules.length,
    ports: match?.destinationPorts ?? [],
    admits: (match?.notPrincipals ?? []).map(({ matchType }) => (matchType.case === 'exact' ? matchType.value : '')),
  };
}

const closings = (text: string, name: string): readonly string[] =>
  meshOf(text)
    .pod(name)
    .authorizationPolicies.filter((policyName) => policyName.includes('/ambit_past_'));

test('a service with an L7 policy closes its pods to who comes past its waypoint', () => {
  const mesh = meshOf(governed);
  assert.deepEqual(toJson(security.AuthorizationSchema, mesh.policy(webName)), {
    name: 'ambit_past_waypoint_web.shop.svc.cluster.local',
    namespace: 'shop',
    scope: 'WORKLOAD_SELECTOR',
    action: 'DENY',
    rules: [{ clauses: [{ matches: [{ destinationPorts: [8080], notPrincipals: [{ exact: principal('w-0') }] }] }] }],
  });
  assert.deepEqual(mesh.pod('shop/web-0').authorizationPolicies, [webName]);
  assert.deepEqual(mesh.pod('shop/w-0').authorizationPolicies, [], "a waypoint's own pods are called by everybody");
  const said = mesh.mesh.statuses.get('Service/shop/web/ambit-status')?.conditions?.[0]?.message ?? '';
  assert.match(
    said,
    /workloads in the mesh refuse who comes past it, for the sake of AuthorizationPolicy shop\/p, ingress gateways too unless/,
  );
});

test('without a policy that only the waypoint enforces nothing is closed', () => {
  const plain = join(
    gateway('shop/w', hasAddress),
    service('shop/web', spec('web'), uses('w')),
    web('web-0', '10.0.0.2'),
    service('shop/free', spec('web'), ''),
    policy('shop/free', targets('Service', 'free')),
    policy('shop/l4', 'action: DENY, selector: { matchLabels: { app: other } }, rules: [{}]'),
  );
  assert.deepEqual(closings(plain, 'shop/web-0'), []);
  assert.equal(refusalOf(plain, webName), undefined);
});

test('a policy for the waypoint, its canary, or the class closes too', () => {
  const base = join(
    gateway('shop/w', hasAddress),
    gateway('shop/next', 'addresses: [{ value: 10.96.0.8 }]'),
    instance('w', '10.0.0.1'),
    instance('next', '10.0.0.3'),
    service('shop/web', spec('web'), uses('w', ', istio.io/use-waypoint-canary: next')),
    web('web-0', '10.0.0.2'),
  );
  const byClass =
    'action: DENY, targetRefs: [{ kind: GatewayClass, group: gateway.networking.k8s.io, name: c }], rules: [{}]';
  const closed = { rules: 1, ports: [8080], admits: [principal('next-0'), principal('w-0')] };
  for (const more of [
    policy('shop/p', targets('Gateway', 'w')),
    policy('shop/p', targets('Gateway', 'next')),
    policy('istio-system/p', byClass),
  ]) {
    assert.deepEqual(refusalOf(join(base, more), webName), closed, more);
  }
  assert.equal(refusalOf(base, webName), undefined);
});

test('a label of the service or the namespace, or a setting of the mesh, lets everybody past', () => {
  const allow = 'ambit.dev/past-waypoint: allow';
  const own = governed.replace('istio.io/use-waypoint: w }', `istio.io/use-waypoint: w, ${allow} }`);
  const all = join(governed, namespace('shop', allow));
  for (const text of [own, all]) {
    assert.equal(refusalOf(text, webName), undefined);
    assert.deepEqual(closings(text, 'shop/web-0'), []);
    const said = meshOf(text).mesh.statuses.get('Service/shop/web/ambit-status')?.conditions?.[0]?.message ?? '';
    assert.match(said, /ambit\.dev\/past-waypoint lets everybody past it/);
  }
  const refuses = all.replace(
    'istio.io/use-waypoint: w }',
    'istio.io/use-waypoint: w, ambit.dev/past-waypoint: refuse }',
  );
  assert.notEqual(refusalOf(refuses, webName), undefined, "the service's own label counts before the namespace's");
  const { mesh } = meshOf(governed, { refusesPastWaypoint: false });
  assert.deepEqual([...mesh.policies.values()], []);
});

test('while no pod of the waypoint is known nobody is admitted to the ports', () => {
  const text = governed.replace('gateway.networking.k8s.io/gateway-name: w', 'other: w');
  assert.deepEqual(refusalOf(text, webName), { rules: 1, ports: [8080], admits: [] });
});

test('the waypoint of another service that shares a pod and a port is let through, of another port it is not', () => {
  const other = (port: number): string =>
    join(
      governed,
      gateway('shop/second', 'addresses: [{ value: 10.96.0.8 }]'),
      instance('second', '10.0.0.3'),
      service('shop/more', `clusterIP: 10.96.1.2, selector: { app: web }, ports: [{ port: ${port} }]`, uses('second')),
    );
  const admits = (port: number): readonly string[] | undefined => refusalOf(other(port), webName)?.admits;
  assert.deepEqual(admits(8080), [principal('second-0'), principal('w-0')]);
  assert.deepEqual(admits(9090), [principal('w-0')]);
});

test('the numbers behind a named port are those of all pods, and follow them', () => {
  const text = governed.replace('targetPort: 8080', 'targetPort: http');
  const pods = join(text, web('web-1', '10.0.0.4', '', named(8081)), web('web-2', '10.0.0.5', '', named(8082)));
  assert.deepEqual(refusalOf(pods, webName)?.ports, [8081, 8082]);
  assert.deepEqual(closings(pods, 'shop/web-1'), [webName]);
  // A workload waits for a policy that it names, so there is one even without a port.
  assert.equal(refusalOf(text, webName)?.rules, 0);
});

test('a pod with a waypoint of its own admits nobody else when a policy names that waypoint', () => {
  const name = 'shop/ambit_past_workload_waypoint_pods';
  const base = join(
    gateway('shop/pods', hasAddress, { metadata: 'labels: { istio.io/waypoint-for: workload }' }),
    gateway('shop/w', 'addresses: [{ value: 10.96.0.8 }]'),
    instance('pods', '10.0.0.1'),
    instance('w', '10.0.0.3'),
    service('shop/web', spec('web'), uses('w')),
    web('own', '10.0.0.2', ', istio.io/use-waypoint: pods'),
    web('allowed', '10.0.0.4', ', istio.io/use-waypoint: pods, ambit.dev/past-waypoint: allow'),
  );
  assert.deepEqual(closings(base, 'shop/own'), []);
  const text = join(base, policy('shop/p', targets('Gateway', 'pods')));
  assert.deepEqual(closings(text, 'shop/own'), [name]);
  assert.deepEqual(closings(text, 'shop/allowed'), []);
  assert.deepEqual(refusalOf(text, name), { rules: 1, ports: [], admits: [principal('pods-0'), principal('w-0')] });
  const from = 'labels: { istio.io/use-waypoint: pods, istio.io/use-waypoint-namespace: shop }';
  const far = join(
    text.replace('protocol: HBONE, ', 'protocol: HBONE, allowedRoutes: { namespaces: { from: All } }'),
    pod('far/own', '10.0.0.5', { metadata: from }),
  );
  assert.notEqual(meshOf(far).pod('far/own').waypoint, undefined);
  assert.deepEqual(closings(far, 'far/own'), [], 'who else may come there, is not known here');
  const both = join(text, policy('shop/q', targets('Service', 'web')));
  assert.deepEqual(closings(both, 'shop/own'), [webName, name]);
  assert.deepEqual(refusalOf(both, webName)?.admits, [principal('pods-0'), principal('w-0')]);
});

test('what policies know of workloads follows changes that leave the workloads themselves as they are', () => {
  const text = join(governed, web('web-1', '10.0.0.4', '', named(8080)));
  const { mesh } = meshOf(text);
  const put = (next: string): void =>
    mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(parseManifests('next.yaml', next).resources)));
  const ports = (): readonly number[] | undefined =>
    mesh.policies.get(webName)?.message.rules[0]?.clauses[0]?.matches[0]?.destinationPorts;
  put(text.replace('targetPort: 8080', 'targetPort: http'));
  assert.deepEqual(ports(), [8080]);
  put(text.replace('targetPort: 8080', 'targetPort: http').replace('containerPort: 8080', 'containerPort: 8081'));
  assert.deepEqual(ports(), [8081]);
  put(text);
  assert.deepEqual(ports(), [8080]);
});

test('a pod that comes and goes does not touch the policy of its service', () => {
  const { mesh } = meshOf(governed);
  const before = mesh.policies.get(webName);
  const seen: unknown[] = [];
  using _ = mesh.policies.subscribe((changes) => seen.push(...changes));
  const next = parseManifests('next.yaml', join(governed, web('web-1', '10.0.0.4')));
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(next.resources)));
  assert.equal(mesh.workloads.size, 3);
  assert.deepEqual(seen, []);
  assert.equal(mesh.policies.get(webName), before);
});

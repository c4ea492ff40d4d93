import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeshState } from '../mesh-state.ts';
import { parseLocalXds } from './local-xds.ts';

const EXAMPLE = `
workloads:
- uid: cluster1//v1/Pod/default/local
  name: local
  namespace: default
  serviceAccount: default
  workloadIps: ["127.0.0.1", "::1"]
  protocol: HBONE
  node: local
  network: ""
  waypoint: { destination: /127.0.0.9, hboneMtlsPort: 15008 }
  services:
    "default/example.com":
      80: 8080
policies:
- name: deny-9999
  namespace: default
  scope: Namespace
  action: Allow
  dryRun: false
  rules:
  - - - notDestinationPorts: [9999]
        principals: [{ Exact: a/ns/b/sa/c }, { Presence: [] }]
        sourceIps: [10.0.0.0/8, 10.1.1.1]
services:
- name: local
  namespace: default
  hostname: example.com
  vips: [/127.10.0.1]
  ports: { 80: 8080 }
  subjectAltNames: [spiffe://cluster.local/ns/default/sa/local]
  loadBalancer: { mode: Strict, routingPreferences: [Node] }
  canonical: true
`;

test('a static document becomes the resources that xDS would bring', () => {
  const { addresses, policies } = parseLocalXds(EXAMPLE);
  const state = new MeshState({ localNode: undefined, publish: () => undefined });
  assert.deepEqual(state.policyHandler().update(policies), []);
  assert.deepEqual(state.addressHandler('wildcard').update(addresses), []);
  const workload = state.store.workloadByAddress('', '127.0.0.1');
  assert.deepEqual(
    [workload?.name, workload?.protocol, workload?.addresses, workload?.waypoint?.hbonePort],
    ['local', 'hbone', ['127.0.0.1', '::1'], 15008],
  );
  const service = state.store.bestServiceByVip('', '127.10.0.1');
  assert.deepEqual([service?.hostname, [...(service?.ports ?? [])]], ['example.com', [[80, 8080]]]);
  assert.ok(service && workload && state.store.endpointPorts(service, workload.uid)?.get(80) === 8080);
  const [policy] = state.policies();
  const match = policy?.rules[0]?.clauses[0]?.matches[0];
  assert.deepEqual(match?.notDestinationPorts, [9999]);
  assert.deepEqual(
    match.sourceIps.map(({ length }) => length),
    [8, 32],
  );
  assert.deepEqual(
    match.principals.map(({ matchType }) => matchType.case),
    ['exact', 'presence'],
  );
});

test('what cannot be understood is refused with its place', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['workloads: 3', /workloads: expected a list/],
    ['workloads: [{}]', /workloads\[0\]\.uid: expected text/],
    ['workloads: [{uid: a, workloadIps: [x]}]', /not an IP address: x/],
    ['workloads: [{uid: a, colour: red}]', /workloads\[0\]: unknown field colour/],
    ['workloads: [{uid: a, protocol: QUIC}]', /protocol: expected one of HBONE, TCP/],
    ['services: [{hostname: a, ports: {x: 1}}]', /ports: expected port: port/],
    ['policies: [{name: p, rules: [[[{principals: [{Like: x}]}]]]}]', /unknown match Like/],
    ['surprise: 1', /unknown field surprise/],
    ['a: [', /local xDS/],
  ];
  for (const [text, expected] of cases) assert.throws(() => parseLocalXds(text), expected, text);
});

test('an empty document is an empty mesh', () => {
  assert.deepEqual(parseLocalXds(''), { addresses: [], policies: [] });
});

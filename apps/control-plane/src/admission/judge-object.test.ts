import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, ResourceTable } from '@ambit/kube';
import fc from 'fast-check';
import { parse } from 'yaml';
import { meshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { judgeObject, type Verdict } from './judge-object.ts';

const mesh = meshCollections(defaultMeshSettings);
const present = `apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { namespace: shop, name: web }
---
apiVersion: v1
kind: Service
metadata: { namespace: shop, name: free }
spec: { clusterIP: 10.96.0.1, ports: [{ port: 80 }] }
`;
mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(parseManifests('p.yaml', present).resources)));

const judge = (object: unknown): Verdict => judgeObject(object, mesh.review);
const policy = (spec: string): Verdict =>
  judge(
    parse(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: shop, name: p, resourceVersion: "1", managedFields: [{ x: 1 }] }
spec: { ${spec} }`),
  );
const entry = (spec: string): Verdict =>
  judge(
    parse(`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: shop, name: e }
spec: { ${spec} }`),
  );
const port = 'ports: [{ number: 443, name: tls, protocol: TLS }]';

const refused: readonly (readonly [what: string, verdict: () => Verdict, message: RegExp])[] = [
  ['an action that does not exist', () => policy('action: DENNY'), /spec\.action must be one of .*did you mean DENY/],
  [
    'a port that is no number',
    () => policy('rules: [{ to: [{ operation: { ports: [http] } }] }]'),
    /spec\.rules\[0\]\.to\[0\]\.operation\.ports: "http" is not a port number/,
  ],
  [
    'an address block that is none',
    () => policy('rules: [{ from: [{ source: { ipBlocks: [10.0.0.0/33] } }] }]'),
    /ipBlocks: "10\.0\.0\.0\/33" is neither an IP address nor a CIDR prefix/,
  ],
  [
    'a selector together with targets',
    () => policy('selector: { matchLabels: { app: a } }, targetRefs: [{ kind: Service, name: a }]'),
    /spec\.selector cannot be combined with targetRefs/,
  ],
  [
    'a condition on an attribute that does not exist',
    () => policy('rules: [{ when: [{ key: source.namspace, values: [a] }] }]'),
    /spec\.rules\[0\]\.when\[0\]: key "source\.namspace" is no attribute; known are/,
  ],
  [
    'a condition on a bad port',
    () => policy('rules: [{ when: [{ key: destination.port, values: ["70000"] }] }]'),
    /"70000" is not a port number/,
  ],
  [
    'a condition on a bad address',
    () => policy('rules: [{ when: [{ key: source.ip, notValues: [nowhere] }] }]'),
    /"nowhere" is neither an IP address nor a CIDR prefix/,
  ],
  [
    'an empty value',
    () => policy('rules: [{ from: [{ source: { namespaces: [""] } }] }]'),
    /spec\.rules\[0\] has an empty value for namespaces/,
  ],
  [
    'service accounts together with namespaces',
    () => policy('rules: [{ from: [{ source: { namespaces: [shop], serviceAccounts: [web] } }] }]'),
    /keep one of them/,
  ],
  [
    'port modes without a selector',
    () =>
      judge({
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: { namespace: 'shop', name: 'p' },
        spec: { portLevelMtls: { 80: { mode: 'DISABLE' } } },
      }),
    /portLevelMtls needs a selector/,
  ],
  ['a host that is an address', () => entry(`hosts: [10.0.0.1], ${port}`), /hosts holds "10\.0\.0\.1"/],
  [
    'one port twice',
    () => entry(`hosts: [a.b], ports: [{ number: 80, name: a }, { number: 80, name: b }]`),
    /80 is there/,
  ],
  [
    'a wildcard that nobody can look up',
    () => entry(`hosts: ["*.a.b"], ${port}, resolution: DNS`),
    /resolution DNS cannot look up; use DYNAMIC_DNS/,
  ],
  [
    'an address range with resolution by name',
    () => entry(`hosts: [a.b], addresses: [10.0.0.0/8], ${port}, resolution: DNS`),
    /needs resolution NONE or STATIC/,
  ],
  [
    'a workload entry without address',
    () =>
      judge({
        apiVersion: 'networking.istio.io/v1',
        kind: 'WorkloadEntry',
        metadata: { namespace: 'shop', name: 'w' },
        spec: {},
      }),
    /spec\.address is required unless a network is given/,
  ],
];

for (const [what, verdict, message] of refused) {
  test(`${what} is refused with its place and advice`, () => {
    const { errors } = verdict();
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? '', message);
  });
}

const warned: readonly (readonly [what: string, verdict: () => Verdict, message: RegExp])[] = [
  [
    'a namespace that does not exist',
    () => policy('rules: [{ from: [{ source: { namespaces: [shpo] } }] }]'),
    /"shpo"/,
  ],
  [
    'HTTP attributes at ztunnel',
    () => policy('action: DENY, rules: [{ to: [{ operation: { methods: [GET] } }] }]'),
    /can never match at ztunnel/,
  ],
  ['a selector that selects nothing', () => policy('selector: {}, rules: [{}]'), /no workload at ztunnel/],
  [
    'a target without waypoint',
    () => policy('targetRefs: [{ kind: Service, group: "", name: free }], rules: [{}]'),
    /Service shop\/free has no waypoint, so nobody enforces this/,
  ],
  [
    'a wildcard entry without waypoint',
    () => entry(`hosts: ["*.a.b"], ${port}, resolution: DYNAMIC_DNS`),
    /has an effect at a waypoint only/,
  ],
];

for (const [what, verdict, message] of warned) {
  test(`${what} is allowed with a warning`, () => {
    const { errors, warnings } = verdict();
    assert.deepEqual(errors, []);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', message);
  });
}

test('a sound policy passes without a word, and so does a kind that means nothing here', () => {
  const nothing = { errors: [], warnings: [] };
  assert.deepEqual(policy('rules: [{ from: [{ source: { serviceAccounts: [web] } }] }]'), nothing);
  assert.deepEqual(judge({ apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata: { name: 't' } }), nothing);
});

test('configuration of another revision is read for mistakes but not for its sense in this mesh', () => {
  const object = (rules: unknown) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { namespace: 'shop', name: 'p', labels: { 'istio.io/rev': 'other' } },
    spec: { rules },
  });
  const suspicious = judge(object([{ from: [{ source: { namespaces: ['shpo'] } }] }]));
  assert.deepEqual(suspicious, { errors: [], warnings: [] });
  assert.equal(judge(object('none')).errors.length, 1);
});

test('an object with thousands of mistakes gives a bounded answer', () => {
  const rules = Array.from({ length: 5_000 }, (_, i) => `{ from: [{ source: { namespaces: [no-${i}] } }] }`).join(', ');
  const { errors, warnings } = policy(`rules: [${rules}]`);
  assert.equal(errors.length, 0);
  assert.equal(warnings.length, 13);
  assert.match(warnings.at(-1) ?? '', /and 4988 more/);
  assert.ok(warnings.every((warning) => warning.length <= 256));
  assert.equal(policy(`rules: [${'"x", '.repeat(5_000)}]`).errors.length, 21);
});

test('whatever is sent, there is a verdict and no exception', () => {
  const kinds = fc.constantFrom(
    'AuthorizationPolicy',
    'PeerAuthentication',
    'ServiceEntry',
    'WorkloadEntry',
    'Pod',
    'X',
  );
  const versions = fc.constantFrom('security.istio.io/v1', 'networking.istio.io/v1', 'v1');
  const fields = fc.dictionary(
    fc.constantFrom(
      'rules',
      'selector',
      'action',
      'targetRefs',
      'hosts',
      'ports',
      'endpoints',
      'mtls',
      'address',
      'spec',
    ),
    fc.anything(),
  );
  const object = fc.record({ apiVersion: versions, kind: kinds, metadata: fc.anything(), spec: fields });
  const named = fc.record({
    apiVersion: versions,
    kind: kinds,
    metadata: fc.constant({ namespace: 'shop', name: 'x' }),
    spec: fields,
  });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), object, named), (value) => {
      const { errors, warnings } = judge(value);
      assert.ok(errors.length <= 21 && warnings.length <= 13);
    }),
    { numRuns: 500, seed: 20261121 },
  );
});

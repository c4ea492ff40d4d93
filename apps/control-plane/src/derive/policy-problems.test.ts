/** What of policies and token rules is not in force is on their own status, and never opens anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { meshCollections } from './mesh-collections.ts';
import { loadSources } from './mesh-sources.ts';
import { gateway, hasAddress, join, policy } from './test-support/trap-mesh.ts';

const provider = {
  name: 'asked',
  service: 'asked.shop.svc.cluster.local',
  port: 80,
  timeoutMs: 1_000,
  failsOpen: false,
  statusOnError: 403,
  maxBodyBytes: 0,
  allowsPartialBody: false,
  protocol: { kind: 'grpc' },
} as const;

function meshOf(text: string) {
  const mesh = meshCollections({ ...defaultMeshSettings, authorizationProviders: [provider] });
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(parseManifests('case.yaml', text).resources)));
  return mesh;
}

/** Message of the condition of the only object that has one; undefined for none. */
function saidOf(text: string): string | undefined {
  const found = [...meshOf(text).statuses.values()].flatMap(({ conditions = [] }) =>
    conditions.filter(({ type }) => type === 'ambit.dev/FieldsInForce'),
  );
  assert.ok(found.length <= 1);
  for (const { status, reason } of found) assert.deepEqual([status, reason], ['False', 'Unsupported']);
  return found[0]?.message;
}

const targets = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: w }]';
const atWaypoint = (spec: string, metadata?: string): string =>
  join(gateway('shop/w', hasAddress), policy('shop/p', `${targets}, ${spec}`, metadata));
const tokens = (spec: string): string => `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { namespace: shop, name: t }
spec: { ${spec} }`;
const tokensAtWaypoint = (rule: string): string =>
  join(gateway('shop/w', hasAddress), tokens(`${targets}, jwtRules: [${rule}]`));
const ingress = gateway('shop/edge', hasAddress, { of: 'istio', metadata: 'labels: { app: edge }' });
const keys = 'jwksUri: "https://keys.example"';

const table: readonly (readonly [what: string, text: string, message: string | undefined])[] = [
  [
    'every attribute there is',
    atWaypoint(`rules: [{
      from: [{ source: { principals: [a], namespaces: [b], ipBlocks: [10.0.0.0/8], remoteIpBlocks: ["fd00::/8"],
        requestPrincipals: [i/s], trustDomains: [t] } }, { source: { serviceAccounts: [a, n/b], notServiceAccounts: [c] } }],
      to: [{ operation: { hosts: [h], ports: ["80"], methods: [GET], paths: ["/a*", "/{*}/b/{**}"] } }],
      when: [{ key: "request.headers[x]", values: [a] }, { key: "request.headers[:authority]", values: [a] },
        { key: source.ip, values: [1.2.3.4] }, { key: remote.ip, values: [1.2.3.4] }, { key: source.namespace, values: [a] },
        { key: source.serviceAccount, values: [a] }, { key: source.principal, values: [a] },
        { key: source.trustDomain, values: [a] }, { key: request.auth.principal, values: [a/b] },
        { key: request.auth.audiences, values: [a] }, { key: request.auth.presenter, values: [a] },
        { key: "request.auth.claims[a][b]", notValues: [c] }, { key: destination.ip, values: [1.2.3.4] },
        { key: destination.port, values: ["80"] }, { key: connection.sni, values: [a] }] }]`),
    undefined,
  ],
  [
    "Envoy's own attributes",
    atWaypoint('action: DENY, rules: [{ when: [{ key: "experimental.envoy.filters.a.b[c]", values: [d] }] }]'),
    'rules[0]: experimental.envoy.filters.a.b[c]: unknown attribute; the rest of the rule counts alone',
  ],
  [
    'a path template that is none',
    atWaypoint('rules: [{}, { to: [{ operation: { paths: ["/a/{**}/{*}"] } }] }]'),
    'rules[1]: paths: /a/{**}/{*} is no legal path template; the rule is left out',
  ],
  [
    'an address that is none',
    atWaypoint('rules: [{ from: [{ source: { ipBlocks: [10.0.0.0/33] } }] }]'),
    'rules[0]: ipBlocks: 10.0.0.0/33 is neither an address nor a CIDR block; the rule is left out',
  ],
  [
    'a source that names nothing',
    atWaypoint('rules: [{ from: [{ source: {} }] }]'),
    'rules[0]: source: it names nothing; the rule is left out',
  ],
  [
    'a provider of a policy that asks nobody',
    atWaypoint('provider: { name: asked }, rules: [{}]'),
    'provider: has no effect with action ALLOW',
  ],
  ['a provider that is known', atWaypoint('action: CUSTOM, provider: { name: asked }, rules: [{}]'), undefined],
  [
    'a provider that is not',
    atWaypoint('action: CUSTOM, provider: { name: other }, rules: [{}]'),
    'provider: other is not in the mesh configuration; requests that match are refused',
  ],
  [
    'a dry run of asking',
    atWaypoint('action: CUSTOM, provider: { name: asked }, rules: [{}]', 'annotations: { istio.io/dry-run: "true" }'),
    'dry run of action CUSTOM: nobody is asked, and nothing is logged',
  ],
  [
    'claims before there are any',
    atWaypoint(
      'action: CUSTOM, provider: { name: asked }, rules: [{ when: [{ key: "request.auth.claims[a]", values: [b] }] }]',
    ),
    'rules[0]: request.auth.claims[a]: providers are asked before tokens are looked at, so that there is none',
  ],
  [
    'trust domains at ztunnel',
    policy('shop/p', 'rules: [{ from: [{ source: { trustDomains: [a], namespaces: [b] } }] }]'),
    'rules[0]: trustDomains: ztunnel does not check it, the rest of its source counts alone; write principals',
  ],
  [
    'token rules whose every field counts',
    tokensAtWaypoint(`{ issuer: i, ${keys}, audiences: [a], fromHeaders: [{ name: x, prefix: "T " }], fromParams: [p],
      fromCookies: [c], forwardOriginalToken: true, outputPayloadToHeader: x-p, timeout: 1s,
      outputClaimToHeaders: [{ header: x-c, claim: a.b }], spaceDelimitedClaims: [roles] }`),
    undefined,
  ],
  [
    'an issuer whose keys nobody can find',
    tokensAtWaypoint('{ issuer: me@example.com }'),
    'jwtRules[0]: the issuer is no address to ask for keys, and there is neither jwks nor jwksUri; every token of me@example.com is refused',
  ],
  [
    'keys that are none',
    tokensAtWaypoint(`{ issuer: i, jwks: '{"keys":[]}' }`),
    'jwtRules[0].jwks: the key set has no usable key for signatures; every token of i is refused',
  ],
  [
    'two claims for one header',
    tokensAtWaypoint(
      `{ issuer: i, ${keys}, outputClaimToHeaders: [{ header: X, claim: a }, { header: x, claim: b }] }`,
    ),
    'jwtRules[0].outputClaimToHeaders: x is there twice; the last claim counts',
  ],
  [
    'tokens that only ztunnel would see',
    tokens(`selector: { matchLabels: { app: web } }, jwtRules: [{ issuer: i, ${keys} }]`),
    'selector: no gateway is meant, and ztunnel does not look at tokens; name a Service or a waypoint with targetRefs',
  ],
  [
    'tokens at the gateway that is selected',
    join(ingress, tokens(`selector: { matchLabels: { app: edge } }, jwtRules: [{ issuer: i, ${keys} }]`)),
    undefined,
  ],
  ['tokens at all gateways of a namespace', join(ingress, tokens(`jwtRules: [{ issuer: i, ${keys} }]`)), undefined],
];

for (const [what, text, message] of table)
  test(`${what}: ${message === undefined ? 'nothing is said' : 'the status says so'}`, () => {
    assert.equal(saidOf(text), message);
  });

test('keys that cannot be fetched are told on the rules that need them, and no more once they are there', () => {
  const rules = `{ issuer: a, ${keys} }, { issuer: "https://b.example" }`;
  const mesh = meshOf(tokensAtWaypoint(rules));
  const { keyFailures } = mesh.sources;
  const said = (): string | undefined =>
    [...mesh.statuses.values()]
      .flatMap(({ conditions = [] }) => conditions)
      .filter(({ type, status, reason }) => `${type} ${status} ${reason}` === 'ambit.dev/KeysFetched False FetchFailed')
      .map(({ message }) => message)[0];
  assert.equal(said(), undefined);
  const failure = { host: 'keys.example', reason: 'timed out' };
  keyFailures.set({ key: 'jwks https://keys.example', ...failure, hasKeys: false });
  const first =
    'jwtRules[0]: keys cannot be fetched from keys.example (timed out); every token of this issuer is refused';
  assert.equal(said(), first);
  keyFailures.set({ key: 'issuer https://b.example', host: 'b.example', reason: 'answered 500', hasKeys: true });
  const second = 'jwtRules[1]: keys cannot be fetched from b.example (answered 500); the last keys stay in force';
  assert.equal(said(), `${first}; ${second}`);
  assert.ok([...mesh.findings.values()].some(({ message }) => message.includes(second)));
  keyFailures.delete('jwks https://keys.example');
  keyFailures.delete('issuer https://b.example');
  assert.equal(said(), undefined);
});

/** Numbers of rules that ztunnels get. */
function rulesSent(spec: string): number | undefined {
  return meshOf(policy('shop/p', spec)).policies.get('shop/p')?.message.rules.length;
}

test('ztunnels get no rule that allows more than is written because a value cannot be read', () => {
  const bad: readonly string[] = [
    'from: [{ source: { ipBlocks: [nowhere], namespaces: [a] } }]',
    'from: [{ source: { notIpBlocks: [nowhere], namespaces: [a] } }]',
    'to: [{ operation: { ports: [http] } }]',
    'when: [{ key: source.ip, values: [nowhere] }]',
  ];
  for (const rule of bad) {
    assert.equal(rulesSent(`rules: [{ ${rule} }, {}]`), 1, rule);
    assert.equal(rulesSent(`action: DENY, rules: [{ ${rule} }]`), 1, rule);
  }
  assert.equal(rulesSent('rules: [{ from: [{ source: { ipBlocks: [nowhere, 10.0.0.1] } }] }]'), 1);
});

test('policies select an ingress by the labels its pods have', () => {
  const selector = 'selector: { matchLabels: { gateway.networking.k8s.io/gateway-class-name: istio } }';
  const mesh = meshOf(join(ingress, policy('shop/p', `${selector}, action: DENY, rules: [{}]`)));
  assert.deepEqual(
    [...mesh.l7.proxies.values()].map(({ message }) => message.access?.policies.map(({ name }) => name)),
    [['p']],
  );
});

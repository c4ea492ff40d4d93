/** The traps of policies; see traps.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { security } from '@ambit/api';
import { toBinary } from '@bufbuild/protobuf';
import { meshOf, join, pod, service, policy, peer } from './test-support/trap-mesh.ts';

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

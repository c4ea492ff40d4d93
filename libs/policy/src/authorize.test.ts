import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { security } from '@ambit/api';
import { authorize } from './authorize.ts';
import { type ConnectionContext, peerIdentity } from './connection-context.ts';
import { compilePolicy } from './decode-policy.ts';
import { PolicyStore } from './policy-store.ts';

type PolicyInit = MessageInitShape<typeof security.AuthorizationSchema>;

const always: PolicyInit['rules'] = [{ clauses: [] }];
const never: PolicyInit['rules'] = [];
const target = { namespace: 'shop', authorizationPolicies: ['shop/selected'] };
const plaintext: ConnectionContext = {
  sourceIp: Uint8Array.of(10, 0, 0, 1),
  sourceIdentity: undefined,
  destinationIp: Uint8Array.of(10, 0, 0, 2),
  destinationPort: 8080,
};
const mesh = { ...plaintext, sourceIdentity: peerIdentity('cluster.local', 'shop', 'web') };

function storeOf(policies: Record<string, PolicyInit>): PolicyStore {
  const store = new PolicyStore();
  for (const [key, init] of Object.entries(policies)) {
    const [namespace = '', name = ''] = key.split('/');
    const decoded = compilePolicy(create(security.AuthorizationSchema, { namespace, name, ...init }));
    assert.equal(decoded.kind, 'policy');
    if (decoded.kind === 'policy') store.upsert(key, decoded.policy);
  }
  return store;
}

const { ALLOW, DENY } = security.Action;
const { GLOBAL, NAMESPACE, WORKLOAD_SELECTOR } = security.Scope;
const selected = { 'shop/selected': { scope: WORKLOAD_SELECTOR, action: DENY, rules: never } };

interface Case {
  readonly name: string;
  readonly policies: Record<string, PolicyInit>;
  readonly answer: string;
}

const cases: readonly Case[] = [
  { name: 'no policy allows', policies: selected, answer: 'admitted' },
  {
    name: 'a matching DENY denies and names the policy',
    policies: { ...selected, 'shop/d': { scope: NAMESPACE, action: DENY, rules: always } },
    answer: 'explicitly denied by: shop/d',
  },
  {
    name: 'a DENY that does not match allows',
    policies: { ...selected, 'shop/d': { scope: NAMESPACE, action: DENY, rules: never } },
    answer: 'admitted',
  },
  {
    name: 'a matching ALLOW allows',
    policies: { ...selected, 'shop/a': { scope: NAMESPACE, action: ALLOW, rules: always } },
    answer: 'admitted',
  },
  {
    name: 'an ALLOW without rules denies everything',
    policies: { ...selected, 'shop/a': { scope: NAMESPACE, action: ALLOW, rules: never } },
    answer: 'allow policies exist, but none allowed',
  },
  {
    name: 'one of two ALLOW policies suffices',
    policies: {
      ...selected,
      'shop/a': { scope: NAMESPACE, action: ALLOW, rules: never },
      'shop/b': { scope: NAMESPACE, action: ALLOW, rules: always },
    },
    answer: 'admitted',
  },
  {
    name: 'DENY wins over ALLOW',
    policies: {
      ...selected,
      'shop/a': { scope: NAMESPACE, action: ALLOW, rules: always },
      'shop/d': { scope: NAMESPACE, action: DENY, rules: always },
    },
    answer: 'explicitly denied by: shop/d',
  },
  {
    name: 'a global policy applies in every namespace',
    policies: { ...selected, 'istio-system/g': { scope: GLOBAL, action: DENY, rules: always } },
    answer: 'explicitly denied by: istio-system/g',
  },
  {
    name: 'a policy of another namespace does not apply',
    policies: { ...selected, 'other/d': { scope: NAMESPACE, action: DENY, rules: always } },
    answer: 'admitted',
  },
  {
    name: 'a selector policy that the workload does not list does not apply',
    policies: { ...selected, 'shop/d': { scope: WORKLOAD_SELECTOR, action: DENY, rules: always } },
    answer: 'admitted',
  },
  {
    name: 'a selector policy that the workload lists applies',
    policies: { 'shop/selected': { scope: WORKLOAD_SELECTOR, action: DENY, rules: always } },
    answer: 'explicitly denied by: shop/selected',
  },
  {
    name: 'a DENY in dry run denies nothing',
    policies: { ...selected, 'shop/d': { scope: NAMESPACE, action: DENY, rules: always, dryRun: true } },
    answer: 'admitted',
  },
  {
    name: 'an ALLOW in dry run does not close the workload',
    policies: { ...selected, 'shop/a': { scope: NAMESPACE, action: ALLOW, rules: never, dryRun: true } },
    answer: 'admitted',
  },
  {
    name: 'an ALLOW in dry run does not open the workload',
    policies: {
      ...selected,
      'shop/a': { scope: NAMESPACE, action: ALLOW, rules: never },
      'shop/b': { scope: NAMESPACE, action: ALLOW, rules: always, dryRun: true },
    },
    answer: 'allow policies exist, but none allowed',
  },
];

for (const { name, policies, answer } of cases) {
  test(name, () => {
    const result = authorize(storeOf(policies), mesh, target, 'hold');
    assert.equal(result.kind === 'denied' ? result.reason : result.kind, answer);
  });
}

test('the STRICT policy denies a plaintext connection and admits one with an identity', () => {
  const presence = { matchType: { case: 'presence' as const, value: {} } };
  const store = storeOf({
    'shop/selected': {
      scope: WORKLOAD_SELECTOR,
      action: DENY,
      rules: [{ clauses: [{ matches: [{ notPrincipals: [presence] }] }] }],
    },
  });
  assert.equal(authorize(store, plaintext, target, 'hold').kind, 'denied');
  assert.equal(authorize(store, mesh, target, 'hold').kind, 'admitted');
});

test('a policy that closes a port to all but a waypoint admits the waypoint, and everybody to other ports', () => {
  const exact = (value: string) => ({ matchType: { case: 'exact' as const, value } });
  const closed = (waypoints: readonly string[]): PolicyStore => {
    const match = { destinationPorts: [8080], notPrincipals: waypoints.map(exact) };
    const rules = [{ clauses: [{ matches: [match] }] }];
    return storeOf({ 'shop/selected': { scope: WORKLOAD_SELECTOR, action: DENY, rules } });
  };
  const store = closed(['cluster.local/ns/shop/sa/next', 'cluster.local/ns/shop/sa/waypoint']);
  const waypoint = { ...plaintext, sourceIdentity: peerIdentity('cluster.local', 'shop', 'waypoint') };
  const elsewhere = { ...plaintext, sourceIdentity: peerIdentity('cluster.local', 'other', 'waypoint') };
  const kind = (context: ConnectionContext, policies = store) => authorize(policies, context, target, 'hold').kind;
  assert.deepEqual(
    [mesh, elsewhere, plaintext].map((context) => kind(context)),
    ['denied', 'denied', 'denied'],
  );
  assert.equal(kind(waypoint), 'admitted');
  for (const context of [mesh, plaintext]) assert.equal(kind({ ...context, destinationPort: 9090 }), 'admitted');
  assert.deepEqual(
    [waypoint, plaintext].map((context) => kind(context, closed([]))),
    ['denied', 'denied'],
  );
});

test('a listed policy that has not arrived holds the answer', () => {
  const store = storeOf({ 'shop/a': { scope: NAMESPACE, action: ALLOW, rules: always } });
  const result = authorize(store, mesh, target, 'hold');
  assert.deepEqual(result, { kind: 'missing', policies: ['shop/selected'] });
});

test('a listed policy that has not arrived is skipped on request, as Istio does', () => {
  assert.equal(authorize(storeOf({}), mesh, target, 'ignore').kind, 'admitted');
});

test('a known DENY answers even while another policy is missing', () => {
  const store = storeOf({ 'shop/d': { scope: NAMESPACE, action: DENY, rules: always } });
  assert.equal(authorize(store, mesh, target, 'hold').kind, 'denied');
});

test('the explanation names the policy, the rule and the dry-run findings', () => {
  const exact = { matchType: { case: 'exact' as const, value: 'nobody' } };
  const store = storeOf({
    ...selected,
    'shop/a': {
      scope: NAMESPACE,
      action: ALLOW,
      rules: [{ clauses: [{ matches: [{ namespaces: [exact] }] }] }, { clauses: [] }],
    },
    'shop/trial': { scope: NAMESPACE, action: DENY, rules: always, dryRun: true },
  });
  const result = authorize(store, mesh, target, 'hold');
  assert.equal(result.kind, 'admitted');
  assert.deepEqual(result.kind === 'admitted' && result.explanation, {
    policy: 'shop/a',
    rule: 1,
    storeVersion: store.version,
    dryRun: [{ policy: 'shop/trial', outcome: 'would-deny' }],
  });
});

test('changing the scope of a policy moves it out of its namespace', () => {
  const store = storeOf({ 'shop/d': { scope: NAMESPACE, action: DENY, rules: always } });
  const before = store.version;
  const decoded = compilePolicy(
    create(security.AuthorizationSchema, {
      namespace: 'shop',
      name: 'd',
      scope: WORKLOAD_SELECTOR,
      action: DENY,
      rules: always,
    }),
  );
  assert.equal(decoded.kind, 'policy');
  if (decoded.kind === 'policy') store.upsert('shop/d', decoded.policy);
  assert.ok(store.version > before);
  assert.equal(authorize(store, mesh, { ...target, authorizationPolicies: [] }, 'hold').kind, 'admitted');
});

test('removing a policy takes its effect away', () => {
  const store = storeOf({ 'istio-system/g': { scope: GLOBAL, action: DENY, rules: always } });
  assert.equal(store.remove('istio-system/g'), true);
  assert.equal(store.remove('istio-system/g'), false);
  assert.equal(store.size, 0);
  assert.equal(authorize(store, mesh, { ...target, authorizationPolicies: [] }, 'hold').kind, 'admitted');
});

test('a policy that comes or goes counts for a target that was judged before', () => {
  const store = storeOf({ 'shop/other': { scope: NAMESPACE, action: DENY, rules: never } });
  const judged = { ...target, authorizationPolicies: [] };
  const judge = (): string => authorize(store, mesh, judged, 'hold').kind;
  assert.equal(judge(), 'admitted');
  const late = storeOf({ 'shop/late': { scope: NAMESPACE, action: DENY, rules: always } }).get('shop/late');
  assert.ok(late !== undefined);
  store.upsert('shop/late', late);
  assert.equal(judge(), 'denied');
  store.remove('shop/late');
  assert.equal(judge(), 'admitted');
});

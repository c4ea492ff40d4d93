import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  authorizeRequest,
  compileHttpPolicy,
  HttpPolicySet,
  type PolicyPlace,
  type RequestFacts,
  type RuleText,
} from '../index.ts';
import { place, token, http, request, rule, policy, passes } from './test-support/policy-request.ts';

type Case = readonly [part: 'from' | 'to' | 'when', field: string, value: string, isMatch: boolean];

/** One value of one attribute against the request above. */
const cases: readonly Case[] = [
  ...['principals', 'source.principal'].flatMap((field): Case[] => {
    const part = field.startsWith('source') ? 'when' : 'from';
    return [
      [part, field, 'mesh.local/ns/web/sa/frontend', true],
      [part, field, 'old.local/ns/web/sa/frontend', true],
      [part, field, 'cluster.local/ns/web/sa/frontend', true],
      [part, field, '*local/ns/web/sa/frontend', true],
      [part, field, 'other.local/ns/web/sa/frontend', false],
      [part, field, 'mesh.local/ns/web/sa/front', false],
      [part, field, 'mesh.local/ns/web/sa/frontend2', false],
      [part, field, 'mesh.local/ns/web/*', true],
      [part, field, 'mesh.local/ns/we*', true],
      [part, field, '*/sa/frontend', true],
      [part, field, '*/ns/web/sa/frontend', true],
      [part, field, '*', true],
      [part, field, 'spiffe://mesh.local/ns/web/sa/frontend', false],
      [part, field, 'MESH.LOCAL/ns/web/sa/frontend', false],
    ];
  }),
  ...(['namespaces', 'source.namespace'] as const).flatMap((field): Case[] => {
    const part = field === 'namespaces' ? 'from' : 'when';
    return [
      [part, field, 'web', true],
      [part, field, 'we', false],
      [part, field, 'w*b', true],
      [part, field, '*e*', true],
      [part, field, 'w*e*b', true],
      [part, field, 'web*', true],
      [part, field, '*web', true],
      [part, field, 'web*web', false],
      [part, field, '*', true],
      [part, field, 'x*', false],
    ];
  }),
  ['from', 'serviceAccounts', 'web/frontend', true],
  ['from', 'serviceAccounts', 'frontend', false],
  ['from', 'serviceAccounts', 'shop/frontend', false],
  ['when', 'source.serviceAccount', 'web/frontend', true],
  ['from', 'trustDomains', 'mesh.local', true],
  ['from', 'trustDomains', 'old.local', true],
  ['from', 'trustDomains', 'other.local', false],
  ['from', 'trustDomains', '*.local', true],
  ['from', 'trustDomains', 'mesh*', true],
  ['from', 'trustDomains', '*', true],
  ['when', 'source.trustDomain', 'mesh', false],
  ...(['requestPrincipals', 'request.auth.principal'] as const).flatMap((field): Case[] => {
    const part = field === 'requestPrincipals' ? 'from' : 'when';
    return [
      [part, field, 'https://issuer.example/alice', true],
      [part, field, 'https://issuer.example/bob', false],
      [part, field, 'https://issuer.example/*', true],
      [part, field, 'https://issuer.example/al*', true],
      [part, field, 'https://issuer.example/x*', false],
      [part, field, '*/alice', true],
      [part, field, '*issuer.example/alice', true],
      [part, field, '*lice', true],
      [part, field, 'https:*', true],
      [part, field, '*', true],
      [part, field, 'https://issuer.example', false],
      [part, field, 'alice', false],
    ];
  }),
  ['when', 'request.auth.audiences', 'shop', true],
  ['when', 'request.auth.audiences', 'admin', true],
  ['when', 'request.auth.audiences', 'sho', false],
  ['when', 'request.auth.audiences', 'adm*', true],
  ['when', 'request.auth.presenter', 'app-1', true],
  ['when', 'request.auth.presenter', '*-2', false],
  ['when', 'request.auth.claims[groups]', 'ops', true],
  ['when', 'request.auth.claims[groups]', 'op', false],
  ['when', 'request.auth.claims[groups]', '*', true],
  ['when', 'request.auth.claims[realm][role]', 'editor', true],
  ['when', 'request.auth.claims[realm]', 'editor', false],
  ['when', 'request.auth.claims[scope]', 'write', true],
  ['when', 'request.auth.claims[none]', '*', false],
  ...(['ipBlocks', 'source.ip'] as const).flatMap((field): Case[] => {
    const part = field === 'ipBlocks' ? 'from' : 'when';
    return [
      [part, field, '10.1.2.3', true],
      [part, field, '10.1.2.0/24', true],
      [part, field, '10.1.3.0/24', false],
      [part, field, '0.0.0.0/0', true],
      [part, field, '::/0', false],
      [part, field, '203.0.113.9', false],
    ];
  }),
  ['from', 'remoteIpBlocks', '203.0.113.0/24', true],
  ['from', 'remoteIpBlocks', '10.1.2.3', false],
  ['when', 'remote.ip', '203.0.113.9/32', true],
  ['when', 'destination.ip', '10.96.0.0/12', true],
  ['when', 'destination.ip', '10.1.2.3', false],
  ['to', 'ports', '80', true],
  ['to', 'ports', '8080', false],
  ['when', 'destination.port', '80', true],
  ['when', 'destination.port', '81', false],
  ['when', 'connection.sni', 'shop.example.com', true],
  ['when', 'connection.sni', '*.example.com', true],
  ['when', 'connection.sni', 'example.com', false],
  ['to', 'hosts', 'shop.example.com:8080', true],
  ['to', 'hosts', 'SHOP.example.com:8080', true],
  ['to', 'hosts', 'shop.example.com', false],
  ['to', 'hosts', 'shop.*', true],
  ['to', 'hosts', '*:8080', true],
  ['to', 'hosts', '*', true],
  ['to', 'methods', 'GET', true],
  ['to', 'methods', 'get', false],
  ['to', 'methods', 'POST', false],
  ['to', 'methods', 'G*', true],
  ['to', 'methods', '*T', true],
  ['to', 'methods', '*', true],
  ['to', 'paths', '/api/v1/items', true],
  ['to', 'paths', '/api/v1/items/', false],
  ['to', 'paths', '/API/v1/items', false],
  ['to', 'paths', '/api/*', true],
  ['to', 'paths', '/api/v1/it*', true],
  ['to', 'paths', '*/items', true],
  ['to', 'paths', '*', true],
  ['to', 'paths', '/other*', false],
  ['to', 'paths', '/api/{*}/items', true],
  ['to', 'paths', '/api/{*}', false],
  ['to', 'paths', '/{*}/{*}/{*}', true],
  ['to', 'paths', '/{*}/{*}/{*}/{*}', false],
  ['to', 'paths', '/api/{**}', true],
  ['to', 'paths', '/{**}', true],
  ['to', 'paths', '/{**}/items', true],
  ['to', 'paths', '/api/v1/items/{**}', false],
  ['to', 'paths', '/api/{*}/{**}', true],
  ['to', 'paths', '/{*}/{**}/items', true],
  ['to', 'paths', '/other/{**}', false],
  ['when', 'request.headers[x-team]', 'blue', true],
  ['when', 'request.headers[X-Team]', 'blue', true],
  ['when', 'request.headers[x-team]', 'BLUE', false],
  ['when', 'request.headers[x-team]', 'bl*', true],
  ['when', 'request.headers[x-team]', '*ue', true],
  ['when', 'request.headers[x-team]', '*', true],
  ['when', 'request.headers[x-empty]', '*', true],
  ['when', 'request.headers[x-absent]', '*', false],
  ['when', 'request.headers[x-list]', 'a,b', true],
  ['when', 'request.headers[x-list]', 'a', false],
];

for (const [part, field, value, isMatch] of cases) {
  const name = `${field} ${JSON.stringify(value)}`;
  test(`${name} ${isMatch ? 'matches' : 'does not match'} in ALLOW, DENY, and negated in both`, () => {
    const accepted = rule(part, field, [value]);
    const refused = rule(part, field, [], [value]);
    assert.equal(passes([policy('allow', [accepted])]), isMatch);
    assert.equal(passes([policy('deny', [accepted])]), !isMatch);
    assert.equal(passes([policy('allow', [refused])]), !isMatch);
    assert.equal(passes([policy('deny', [refused])]), isMatch);
  });
}

test('the table has more than 500 decisions', () => {
  assert.ok(cases.length * 4 >= 500, String(cases.length * 4));
});

test('no rules deny everything in ALLOW and nothing in DENY; an empty rule is the reverse', () => {
  const everything: RuleText = { from: [], to: [], when: [] };
  assert.equal(passes([policy('allow', [])]), false);
  assert.equal(passes([policy('deny', [])]), true);
  assert.equal(passes([policy('allow', [everything])]), true);
  assert.equal(passes([policy('deny', [everything])]), false);
  assert.equal(passes([]), true);
});

test('DENY wins over ALLOW, AUDIT and dry run change nothing, the verdict names policy and rule', () => {
  const yes = rule('to', 'methods', ['GET']);
  const no = rule('to', 'methods', ['POST']);
  assert.equal(passes([policy('allow', [yes]), policy('deny', [no, yes])]), false);
  assert.equal(passes([policy('audit', [yes])]), true);
  assert.equal(passes([policy('deny', [yes], { isDryRun: true })]), true);
  const set = new HttpPolicySet(
    [policy('deny', [no, yes], { name: 'guard' }), policy('deny', [yes], { name: 'trial', isDryRun: true })].map(
      (text) => compileHttpPolicy(text, place).policy,
    ),
  );
  const answer = authorizeRequest(set, request);
  assert.ok(answer.kind === 'denied');
  assert.equal(answer.details, 'rbac_access_denied_matched_policy[ns[shop]-policy[guard]-rule[1]]');
  assert.deepEqual(answer.verdict.dryRun, [
    { policy: 'ns[shop]-policy[trial]-rule[0]', action: 'deny', isMatch: true },
  ]);
  const none = authorizeRequest(new HttpPolicySet([compileHttpPolicy(policy('allow', [no]), place).policy]), request);
  assert.ok(none.kind === 'denied');
  assert.equal(none.details, 'rbac_access_denied_matched_policy[none]');
});

test('CUSTOM policies name the providers to ask, in order, and only where a rule matches', () => {
  const set = new HttpPolicySet(
    [
      policy('custom', [rule('to', 'paths', ['/api/*'])], { provider: 'zeta' }),
      policy('custom', [rule('to', 'paths', ['/api/*'])], { provider: 'alpha' }),
      policy('custom', [rule('to', 'paths', ['/none'])], { provider: 'beta' }),
    ].map((text) => compileHttpPolicy(text, place).policy),
  );
  assert.deepEqual(set.providersToAsk(request), ['alpha', 'zeta']);
});

test('what cannot be used makes ALLOW stricter and DENY broader, and is reported', () => {
  const broken: readonly (readonly [part: 'from' | 'to' | 'when', field: string, value: string])[] = [
    ['from', 'ipBlocks', '10.0.0.0/40'],
    ['from', 'ipBlocks', 'ten'],
    ['to', 'ports', '70000'],
    ['to', 'ports', '-1'],
    ['to', 'paths', '/a/{x}/{*}'],
    ['to', 'paths', '/{**}/{*}'],
    ['to', 'paths', '/{*}/a*{'],
    ['when', 'request.headers[]', 'x'],
    ['when', 'request.auth.claims[a[b]]', 'x'],
    ['when', 'no.such.key', 'x'],
    ['to', 'methods', ''],
  ];
  for (const [part, field, value] of broken) {
    const allow = compileHttpPolicy(policy('allow', [rule(part, field, [value])]), place);
    assert.deepEqual(allow.policy.rules, [], field);
    assert.deepEqual(
      allow.flaws.map((flaw) => flaw.effect),
      ['rule-dropped'],
    );
    const deny = compileHttpPolicy(policy('deny', [rule(part, field, [value])]), place);
    assert.equal(passes([policy('deny', [rule(part, field, [value])])]), false, field);
    assert.deepEqual(
      deny.flaws.map((flaw) => flaw.effect),
      ['condition-dropped'],
    );
  }
});

test('on TCP, HTTP attributes vanish: an ALLOW rule goes, a DENY rule gets broader', () => {
  const tcp: PolicyPlace = { ...place, protocol: 'tcp' };
  const facts: RequestFacts = { ...request, http: undefined };
  for (const text of [
    rule('to', 'methods', ['POST']),
    rule('when', 'request.headers[x]', ['y']),
    rule('from', 'requestPrincipals', ['*']),
  ]) {
    assert.equal(passes([policy('allow', [text])], facts, tcp), false);
    assert.equal(passes([policy('deny', [text])], facts, tcp), false);
  }
  assert.equal(passes([policy('allow', [rule('to', 'ports', ['80'])])], facts, tcp), true);
  assert.equal(passes([policy('allow', [rule('when', 'connection.sni', ['shop.*'])])], facts, tcp), true);
});

test('an entry that names nothing and a condition without values allow nobody, and deny as if they were not there', () => {
  const nothing: readonly RuleText[] = [
    { from: [[]], to: [], when: [] },
    { from: [], to: [[]], when: [] },
    { from: [], to: [], when: [{ field: 'source.namespace', values: [], notValues: [] }] },
  ];
  for (const text of nothing) {
    assert.equal(passes([policy('allow', [text])]), false);
    assert.equal(passes([policy('deny', [text])]), false);
  }
});

test('pseudo headers can be asked for like headers', () => {
  const facts: RequestFacts = {
    ...request,
    http: { ...http, header: (name) => (name === ':method' ? 'GET' : undefined) },
  };
  assert.equal(passes([policy('allow', [rule('when', 'request.headers[:method]', ['GET'])])], facts), true);
  assert.equal(passes([policy('allow', [rule('when', 'request.headers[:status]', ['*'])])], facts), false);
});

test('without an identity or a token only negated values match', () => {
  const anonymous: RequestFacts = { ...request, peer: undefined, http: { ...http, token: undefined } };
  for (const [field, value] of [
    ['principals', '*'],
    ['namespaces', '*'],
    ['serviceAccounts', 'web/frontend'],
    ['trustDomains', '*'],
    ['requestPrincipals', '*'],
  ] as const) {
    assert.equal(passes([policy('allow', [rule('from', field, [value])])], anonymous), false, field);
    assert.equal(passes([policy('allow', [rule('from', field, [], [value])])], anonymous), true, field);
  }
});

test('issuer and subject are not read across their border', () => {
  const sly: RequestFacts = {
    ...request,
    http: { ...http, token: token({ issuer: 'https:/', subject: 'issuer.example/alice' }) },
  };
  assert.equal(
    passes([policy('allow', [rule('from', 'requestPrincipals', ['https://issuer.example/alice'])])], sly),
    false,
  );
  const half: RequestFacts = { ...request, http: { ...http, token: token({ subject: '' }) } };
  assert.equal(passes([policy('allow', [rule('from', 'requestPrincipals', ['*'])])], half), false);
});

test('groups, rules and conditions combine as OR of AND, as a naive evaluator says', () => {
  const attribute = fc
    .record({
      field: fc.constantFrom('methods', 'ports', 'hosts'),
      values: fc.array(fc.constantFrom('GET', 'POST', '80', '81', '*'), { maxLength: 2 }),
      notValues: fc.array(fc.constantFrom('GET', 'POST', '80'), { maxLength: 1 }),
    })
    .filter(({ values, notValues }) => values.length + notValues.length > 0);
  const groups = fc.array(fc.array(attribute, { minLength: 1, maxLength: 2 }), { maxLength: 2 });
  const ruleText = fc.record({ from: groups, to: groups, when: fc.constant([]) });
  fc.assert(
    fc.property(fc.array(ruleText, { maxLength: 3 }), (rules) => {
      const usable = rules.every((r) =>
        [...r.from, ...r.to].every((group) =>
          group.every((a) => a.field !== 'ports' || [...a.values, ...a.notValues].every((v) => /^[0-9]+$/.test(v))),
        ),
      );
      fc.pre(usable);
      const holds = (a: { field: string; values: readonly string[]; notValues: readonly string[] }): boolean => {
        const actual = a.field === 'methods' ? 'GET' : a.field === 'ports' ? '80' : 'shop.example.com:8080';
        const any = (values: readonly string[]): boolean => values.some((v) => v === '*' || v === actual);
        return (a.values.length === 0 || any(a.values)) && !any(a.notValues);
      };
      const anyGroup = (list: readonly (readonly Parameters<typeof holds>[0][])[]): boolean =>
        list.length === 0 || list.some((group) => group.every(holds));
      const expected = rules.some((r) => anyGroup(r.from) && anyGroup(r.to));
      assert.equal(passes([policy('allow', rules)]), expected);
      assert.equal(passes([policy('deny', rules)]), !expected);
    }),
    { seed: 11, numRuns: 2000 },
  );
});

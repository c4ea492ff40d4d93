/** The order of the steps, and what each answers. Spec: contract l7 5.1, 4.2. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';

import { access } from '@ambit/api';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, type LabOptions, service, waypointFacts } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const { ALLOW, AUDIT, CUSTOM, DENY } = access.AuthorizationPolicy_Action;
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' }] });
const issuer = 'https://issuer.example';

function token(claims: Readonly<Record<string, unknown>>): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'ES256', kid: 'k' })}.${encode({ iss: issuer, sub: 'alice', ...claims })}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const bearer = (claims: Readonly<Record<string, unknown>> = {}): { readonly authorization: string } => ({
  authorization: `Bearer ${token(claims)}`,
});

interface PolicyShape {
  readonly action: access.AuthorizationPolicy_Action;
  readonly name?: string;
  readonly dryRun?: boolean;
  readonly provider?: string;
  readonly to?: Readonly<Record<string, readonly string[]>>;
  readonly when?: Readonly<Record<string, readonly string[]>>;
  readonly isEmpty?: boolean;
}

/** One rule, or none. */
function policy({
  action,
  name = 'p',
  dryRun = false,
  provider = '',
  to,
  when = {},
  isEmpty = false,
}: PolicyShape): object {
  const attributes = (fields: Readonly<Record<string, readonly string[]>>): object[] =>
    Object.entries(fields).map(([field, values]) => ({ field, values }));
  const rule = { to: to === undefined ? [] : [{ attributes: attributes(to) }], when: attributes(when) };
  return { namespace: 'shop', name, action, dryRun, provider, rules: isEmpty ? [] : [rule] };
}

const accessWith = (policies: readonly object[], jwtRules: readonly object[] = []): LabOptions['access'] => ({
  policies: [...policies],
  jwtRules: [...jwtRules],
});
const rule = { issuer, jwks };

test('DENY is before ALLOW, and ALLOW without match refuses', () => {
  const lab = new Lab({
    access: accessWith([
      policy({ action: ALLOW, name: 'allow', to: { paths: ['/shop*'] } }),
      policy({ action: DENY, name: 'deny', to: { paths: ['/shop/admin*'] } }),
    ]),
  });
  for (const [target, status, details] of [
    ['/shop/cart', undefined, undefined],
    ['/shop/admin', 403, 'rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[0]]'],
    ['/other', 403, 'rbac_access_denied_matched_policy[none]'],
    ['/shop/%61dmin', 403, 'rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[0]]'],
    ['/x/../shop/admin', 403, 'rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[0]]'],
  ] as const) {
    const client = lab.request({ target });
    assert.equal(client.status, status, target);
    if (status === undefined) continue;
    assert.equal(client.body, 'RBAC: access denied');
    assert.equal(client.headers['content-type'], 'text/plain');
    assert.deepEqual([lab.record.details, lab.record.flags], [details, '']);
  }
  assert.equal(lab.upstreams.attempts.length, 1);
});

test('policies of the gateway and of the service are one evaluation', () => {
  const lab = new Lab({
    proxy: { access: accessWith([policy({ action: DENY, to: { methods: ['DELETE'] } })]) ?? {} },
    access: accessWith([policy({ action: ALLOW, to: { methods: ['*'] } })]),
  });
  assert.equal(lab.request({ method: 'DELETE' }).status, 403);
  assert.equal(lab.request({ method: 'GET' }).status, undefined);
});

test('dry run and AUDIT decide nothing and are noted', () => {
  const lab = new Lab({
    access: accessWith([
      policy({ action: DENY, name: 'shadow', dryRun: true }),
      policy({ action: AUDIT, name: 'watch', to: { methods: ['GET'] } }),
    ]),
  });
  lab.request();
  lab.upstreams.last.answer(200, 'ok');
  assert.deepEqual(lab.record.verdict?.dryRun, [
    { policy: 'ns[shop]-policy[shadow]-rule[0]', action: 'deny', isMatch: true },
  ]);
  assert.deepEqual(lab.record.audited, ['ns[shop]-policy[watch]-rule[0]']);
});

test('an ALLOW without rules refuses everything, a DENY without rules nothing', () => {
  assert.equal(new Lab({ access: accessWith([policy({ action: ALLOW, isEmpty: true })]) }).request().status, 403);
  assert.equal(new Lab({ access: accessWith([policy({ action: DENY, isEmpty: true })]) }).request().status, undefined);
});

test('a bad token is refused before policies, an absent one is for policies', () => {
  const lab = new Lab({
    access: accessWith([policy({ action: ALLOW, when: { 'request.auth.principal': [`${issuer}/alice`] } })], [rule]),
  });
  const bad = lab.request({ target: '/a?b=c', headers: { authorization: 'Bearer nonsense' } });
  assert.equal(bad.status, 401);
  assert.equal(bad.headers['www-authenticate'], 'Bearer realm="http://shop.example.com/a", error="invalid_token"');
  assert.match(lab.record.details ?? '', /^jwt_authn_access_denied\{Jwt_is_not_in_the_form/);
  assert.equal(lab.request().status, 403);
  const good = lab.request({ headers: bearer() });
  assert.equal(good.status, undefined);
  assert.equal(lab.upstreams.last.sent?.headers['authorization'], undefined, 'a verified token is not forwarded');
});

test('claims become headers that nobody else can set, and decide routes', () => {
  const toAdmins = {
    name: 'admins',
    matches: [{ claims: [{ path: ['role'], match: { kind: { case: 'exact' as const, value: 'admin' } } }] }],
    action: forwardTo('admins'),
  };
  const lab = new Lab({
    access: accessWith([], [{ ...rule, forwardToken: true, claimHeaders: [{ header: 'X-User', claim: ['sub'] }] }]),
    ports: [{ port: 80, httpRoutes: [toAdmins] }],
    destinations: [service('admins')],
  });
  lab.request({ headers: { ...bearer({ role: 'admin' }), 'x-user': 'root' } });
  assert.equal(lab.upstreams.last.target.key, 'shop/admins/80/');
  assert.equal(lab.upstreams.last.sent?.headers['x-user'], 'alice');
  assert.match(lab.upstreams.last.sent?.headers['authorization'] ?? '', /^Bearer /);
  lab.request({ headers: { 'x-user': 'root' } });
  assert.equal(lab.upstreams.last.target.key, 'shop/shop.shop.svc.cluster.local/80/');
  assert.equal(lab.upstreams.last.sent?.headers['x-user'], undefined);
});

test('a token in the query is taken out of it', () => {
  const lab = new Lab({ access: accessWith([], [rule]) });
  lab.request({ target: `/a?x=1&access_token=${token({})}&y=2` });
  assert.equal(lab.upstreams.last.sent?.target, '/a?x=1&y=2');
});

test('a preflight passes the token check, not the policies', () => {
  const preflight = {
    method: 'OPTIONS',
    headers: {
      origin: 'https://a.example',
      'access-control-request-method': 'PUT',
      authorization: 'Bearer nonsense',
    },
  };
  const open = new Lab({ access: accessWith([], [rule]) });
  assert.equal(open.request(preflight).status, undefined);
  const closed = new Lab({ access: accessWith([policy({ action: DENY, to: { methods: ['OPTIONS'] } })], [rule]) });
  assert.equal(closed.request(preflight).status, 403);
});

test('faults hit permitted requests only, before CORS; no route is found after policies', () => {
  const cors = {
    allowOrigins: [{ kind: { case: 'exact' as const, value: 'https://a.example' } }],
    allowMethods: ['PUT'],
  };
  const route = {
    name: 'faulty',
    matches: [{ path: { kind: { case: 'exact' as const, value: '/faulty' } } }],
    action: { case: 'directResponse' as const, value: { status: 200 } },
    fault: { abortStatus: 418, abortPerMillion: 1_000_000 },
    cors,
  };
  const lab = new Lab({
    access: accessWith([policy({ action: DENY, to: { methods: ['DELETE'] } })]),
    ports: [{ port: 80, httpRoutes: [route], noMatchIsError: true }],
  });
  assert.equal(lab.request({ target: '/faulty', method: 'DELETE' }).status, 403);
  const aborted = lab.request({
    target: '/faulty',
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
  });
  assert.deepEqual([aborted.status, aborted.body], [418, 'fault filter abort']);
  assert.deepEqual(
    [lab.record.flags, lab.record.details, lab.record.routeName],
    ['FI', 'fault_filter_abort', 'faulty'],
  );
  assert.equal(lab.request({ target: '/none', method: 'DELETE' }).status, 403, 'policy first');
  assert.equal(lab.request({ target: '/none' }).status, 404);
  assert.deepEqual([lab.record.flags, lab.record.details], ['NR', 'route_not_found']);
});

test('an abort by a status of gRPC is that for gRPC requests, and 200 for others', () => {
  const fault = { abortGrpcStatus: 14, hasGrpcStatus: true, abortPerMillion: 1_000_000 };
  const route = { name: 'r', action: { case: 'directResponse' as const, value: { status: 201 } }, fault };
  const lab = new Lab({ ports: [{ port: 80, httpRoutes: [route] }] });
  const grpc = lab.request({ method: 'POST', headers: { 'content-type': 'application/grpc' } });
  assert.deepEqual([grpc.status, grpc.headers?.['grpc-status']], [200, '14']);
  const plain = lab.request();
  assert.deepEqual([plain.status, plain.body], [200, 'fault filter abort']);
});

test('a delay is first, then the abort; a client that leaves meanwhile is let go', async () => {
  const { ExchangeError } = await import('@ambit/exchange');
  const fault = { delay: { seconds: 2n }, delayPerMillion: 1_000_000, abortStatus: 503, abortPerMillion: 1_000_000 };
  const action = { case: 'directResponse' as const, value: { status: 200 } };
  const lab = new Lab({ ports: [{ port: 80, httpRoutes: [{ name: 'f', action, fault }] }] });
  const client = lab.request();
  lab.timers.advance(1999);
  assert.equal(client.status, undefined);
  lab.timers.advance(1);
  assert.deepEqual([client.status, lab.record.flags], [503, 'DI,FI']);
  lab.request().leave(new ExchangeError('lost', 'gone'));
  lab.assertNothingHeld();
});

test('CORS: an allowed preflight is answered, an actual answer gets headers, other origins get none', () => {
  const cors = {
    allowOrigins: [{ kind: { case: 'exact' as const, value: 'https://a.example' } }],
    allowMethods: ['PUT'],
    exposeHeaders: ['x-total'],
  };
  const action = forwardTo('b');
  const lab = new Lab({
    ports: [{ port: 80, httpRoutes: [{ name: 'c', action, cors }] }],
    destinations: [service('b')],
  });
  const preflight = lab.request({
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
  });
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers['access-control-allow-origin'], 'https://a.example');
  assert.equal(preflight.headers['access-control-allow-methods'], 'PUT');
  const actual = lab.request({ headers: { origin: 'https://a.example' } });
  lab.upstreams.last.answer(200, 'ok', { 'access-control-allow-origin': '*' });
  assert.equal(actual.headers['access-control-allow-origin'], 'https://a.example');
  assert.equal(actual.headers['access-control-expose-headers'], 'x-total');
  const other = lab.request({ headers: { origin: 'https://b.example' } });
  lab.upstreams.last.answer(200, 'ok');
  assert.equal(other.headers['access-control-allow-origin'], undefined);
});

test('a CUSTOM policy whose provider is not known refuses what it matches', () => {
  const lab = new Lab({
    access: accessWith([policy({ action: CUSTOM, provider: 'gone', to: { paths: ['/admin'] } })]),
  });
  assert.equal(lab.request({ target: '/admin' }).status, 403);
  assert.equal(lab.record.details, 'ext_authz_error');
  assert.equal(lab.request({ target: '/' }).status, undefined);
  lab.upstreams.last.answer(200);
  lab.assertNothingHeld();
});

test('a request keeps the configuration that it began with', () => {
  const fault = { delay: { seconds: 1n }, delayPerMillion: 1_000_000 };
  const direct = (status: number): object => ({
    port: 80,
    httpRoutes: [{ name: 'd', action: { case: 'directResponse' as const, value: { status } }, fault }],
  });
  const lab = new Lab({ ports: [direct(201)] });
  const before = lab.request();
  lab.config = new Lab({ ports: [direct(202)] }).config;
  const after = lab.request();
  lab.timers.advance(1000);
  assert.deepEqual([before.status, after.status], [201, 202]);
});

test('a service that is not served here, or gone, is not found', () => {
  const served = { ...waypointFacts.served, kind: 'service', key: 'shop/other', hostname: 'other' } as const;
  for (const destinations of [[], [service('other')]]) {
    const lab = new Lab({ facts: { ...waypointFacts, served } as typeof waypointFacts, destinations });
    assert.equal(lab.request().status, 404);
    assert.equal(lab.record.flags, 'NR');
  }
});

test('a workload is reached by its address, under the policies of the gateway', () => {
  const workload = { uid: 'w', identity: 'spiffe://cluster.local/ns/shop/sa/default' } as never;
  const lab = new Lab({
    facts: { ...waypointFacts, served: { kind: 'workload', workload, address: '10.1.0.9', port: 8080 } },
    proxy: { access: accessWith([policy({ action: DENY, to: { methods: ['DELETE'] } })]) ?? {} },
    upstreams: new FakeUpstreams({ connectsAtOnce: true }),
  });
  assert.equal(lab.request({ method: 'DELETE' }).status, 403);
  lab.request();
  assert.deepEqual(lab.upstreams.last.target, {
    kind: 'workload',
    uid: 'w',
    address: '10.1.0.9',
    port: 8080,
    key: 'w/10.1.0.9/8080',
  });
});

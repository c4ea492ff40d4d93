/** Rate limits, counted here and by a service. Spec: contract l7 9.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { limit as messages, ratelimit } from '@ambit/api';
import { peerIdentity } from '@ambit/policy';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';

import type { FakeAttempt } from './test-support/fake-upstreams.ts';
import { Lab, service, waypointFacts } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const { RateLimit_Attribute: Attribute } = messages;
type Limit = MessageInitShape<typeof messages.RateLimitSchema>;

const twoPerMinute: Limit = { name: 'shop/p/l', requests: 2, interval: { seconds: 60n } };
const by = (attribute: messages.RateLimit_Attribute): NonNullable<Limit['keys']> => [
  { kind: { case: 'attribute', value: attribute } },
];

function labWith(route: readonly Limit[], extras: ConstructorParameters<typeof Lab>[0] = {}): Lab {
  return new Lab({
    ports: [
      {
        port: 80,
        httpRoutes: [
          {
            name: 'r',
            rateLimits: [...route],
            action: forwardTo('shop.shop.svc.cluster.local'),
          },
        ],
      },
    ],
    ...extras,
  });
}

/** Status of one request; the backend answers 200. */
function status(lab: Lab, headers: Record<string, string> = {}): number | undefined {
  const before = lab.upstreams.attempts.length;
  const client = lab.request({ headers });
  if (lab.upstreams.attempts.length > before) lab.upstreams.last.answer(200, 'ok');
  return client.status;
}

test('what is over a limit is answered as Envoy does, and logged as RL', () => {
  const lab = labWith([twoPerMinute]);
  assert.deepEqual([status(lab), status(lab)], [200, 200]);
  const client = lab.request();
  assert.equal(client.status, 429);
  assert.equal(client.body, 'local_rate_limited');
  assert.equal(client.headers?.['x-envoy-ratelimited'], 'true');
  assert.deepEqual([lab.record.flags, lab.record.details], ['RL', 'local_rate_limited']);
  assert.equal(lab.upstreams.attempts.length, 2);
  lab.timers.advance(30_000);
  assert.deepEqual([status(lab), status(lab)], [200, 429]);
  lab.assertNothingHeld();
});

test('a gRPC client is told UNAVAILABLE', () => {
  const lab = labWith([{ ...twoPerMinute, requests: 1 }]);
  status(lab);
  const client = lab.request({ method: 'POST', headers: { 'content-type': 'application/grpc' } });
  assert.deepEqual([client.status, client.headers?.['grpc-status']], [200, '14']);
});

test('clients that ask are told how much is left and when to come again', () => {
  const lab = labWith([{ ...twoPerMinute, tellClients: true }]);
  const first = lab.request();
  lab.upstreams.last.answer(200, 'ok');
  assert.deepEqual(
    ['limit', 'remaining', 'reset'].map((name) => first.headers?.[`x-ratelimit-${name}`]),
    ['2, 2;w=60', '1', '30'],
  );
  status(lab);
  const over = lab.request();
  assert.deepEqual([over.headers?.['x-ratelimit-remaining'], over.headers?.['retry-after']], ['0', '30']);
});

for (const order of ['before', 'after']) {
  test(`of two limits clients are told of the one they meet first, which stands ${order} the other`, () => {
    const near: Limit = { ...twoPerMinute, name: 'shop/p/near', tellClients: true };
    const far: Limit = { ...near, name: 'shop/p/far', requests: 10 };
    const lab = labWith(order === 'before' ? [near, far] : [far, near]);
    const client = lab.request();
    lab.upstreams.last.answer(200, 'ok');
    assert.deepEqual(
      ['limit', 'remaining'].map((name) => client.headers?.[`x-ratelimit-${name}`]),
      ['2, 2;w=60', '1'],
    );
  });
}

test('identities, addresses and headers count apart; a request without the key is not counted', () => {
  const other = { ...waypointFacts, peer: peerIdentity('cluster.local', 'web', 'other') };
  const limit = { ...twoPerMinute, requests: 1, keys: by(Attribute.SOURCE_PRINCIPAL) };
  const lab = labWith([limit]);
  assert.deepEqual([status(lab), status(lab)], [200, 429]);
  const sibling = labWith([limit], { facts: other });
  assert.equal(status(sibling), 200);
  const byHeader = labWith([{ ...twoPerMinute, requests: 1, keys: [{ kind: { case: 'header', value: 'X-User' } }] }]);
  const seen = ['a', 'a', 'b', 'b'].map((user) => status(byHeader, { 'x-user': user }));
  assert.deepEqual(seen, [200, 429, 200, 429]);
  assert.deepEqual([status(byHeader), status(byHeader), status(byHeader)], [200, 200, 200]);
});

test('limits of the proxy, the service and the route all count', () => {
  const lab = labWith([{ ...twoPerMinute, name: 'route', requests: 3 }], {
    proxy: { rateLimits: [{ ...twoPerMinute, name: 'proxy', requests: 2 }] },
  });
  assert.deepEqual([status(lab), status(lab), status(lab)], [200, 200, 429]);
});

test('a dry run counts and refuses nothing', () => {
  const lab = labWith([{ ...twoPerMinute, requests: 1, dryRun: true, tellClients: true }]);
  assert.deepEqual([status(lab), status(lab)], [200, 200]);
});

const counted = { ...twoPerMinute, service: 'counter', domain: 'shop', keys: by(Attribute.SOURCE_NAMESPACE) };

function globalLab(failClosed: boolean, limits: readonly Limit[] = [counted]): Lab {
  return labWith(limits, {
    proxy: {
      rateLimitServices: [{ name: 'counter', namespace: 'limits', hostname: 'limits', port: 8081, failClosed }],
    },
    destinations: [service('limits', { namespace: 'limits' })],
  });
}

function answer(attempt: FakeAttempt, message: MessageInitShape<typeof ratelimit.RateLimitResponseSchema>): void {
  const bytes = toBinary(ratelimit.RateLimitResponseSchema, create(ratelimit.RateLimitResponseSchema, message));
  attempt.respond(200, { 'content-type': 'application/grpc' });
  attempt.sendBytes(Buffer.concat([Buffer.of(0, 0, 0, 0, bytes.length), bytes]));
  attempt.sendEnd({ 'grpc-status': '0' });
}

test('a service that counts for all proxies is asked with the values, and decides', () => {
  const lab = globalLab(false);
  const client = lab.request({ method: 'POST', hasBody: true });
  const { last } = lab.upstreams;
  assert.equal(last.target.key, 'limits/limits/8081/');
  assert.equal(last.sent?.target, '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit');
  const question = fromBinary(ratelimit.RateLimitRequestSchema, Buffer.from(last.body, 'latin1').subarray(5));
  assert.equal(question.domain, 'shop');
  const [descriptor] = question.descriptors;
  assert.deepEqual(
    descriptor?.entries.map(({ key, value }) => [key, value]),
    [
      ['generic_key', 'shop/p/l'],
      ['source_namespace', 'web'],
    ],
  );
  assert.deepEqual(
    [descriptor?.limit?.requestsPerUnit, descriptor?.limit?.unit],
    [2, ratelimit.RateLimitDescriptor_Unit.MINUTE],
  );
  assert.equal(client.isPaused, true);
  client.sendBody('held ');
  answer(last, {
    overallCode: ratelimit.RateLimitResponse_Code.OK,
    responseHeadersToAdd: [{ key: 'X-Left', value: '1' }],
  });
  client.sendBody('and more');
  client.sendEnd();
  assert.equal(lab.upstreams.last.body, 'held and more');
  lab.upstreams.last.answer(200, 'ok');
  assert.deepEqual([client.status, client.headers?.['x-left']], [200, '1']);

  const over = lab.request();
  answer(lab.upstreams.last, { overallCode: ratelimit.RateLimitResponse_Code.OVER_LIMIT });
  assert.deepEqual([over.status, lab.record.flags, lab.record.details], [429, 'RL', 'request_rate_limited']);
  lab.assertNothingHeld();
});

test('without an answer in time requests pass, or are refused where the policy says so', () => {
  for (const [failClosed, expected] of [
    [false, 200],
    [true, 500],
  ] as const) {
    const lab = globalLab(failClosed);
    const client = lab.request();
    lab.timers.advance(21);
    if (!failClosed) lab.upstreams.last.answer(200, 'ok');
    assert.equal(client.status, expected);
    assert.equal(lab.record.flags, failClosed ? 'RLSE' : '');
    lab.assertNothingHeld();
  }
});

test('a client that leaves takes the question back', () => {
  const lab = globalLab(true);
  const client = lab.request();
  client.user.onAborted({ kind: 'lost' } as never);
  assert.equal(lab.upstreams.last.isAborted, true);
  lab.assertNothingHeld();
});

test('each limit that counts a request says what it decided, dry runs and services that do not answer too', () => {
  const told = (lab: Lab): readonly string[] => lab.decisions.splice(0);
  const local = labWith([
    { ...twoPerMinute, name: 'first', requests: 1, dryRun: true },
    { ...twoPerMinute, name: 'second' },
  ]);
  for (let i = 0; i < 3; i++) status(local);
  assert.deepEqual(told(local), [
    'first local allowed',
    'second local allowed',
    'first local dry-run',
    'second local allowed',
    'first local dry-run',
    'second local limited',
  ]);

  const global = globalLab(false, [counted, { ...counted, name: 'tried', dryRun: true }]);
  const { OK, OVER_LIMIT } = ratelimit.RateLimitResponse_Code;
  for (const statuses of [[{ code: OK }, { code: OVER_LIMIT }], [{ code: OVER_LIMIT }, { code: OK }], []]) {
    global.request();
    answer(global.upstreams.last, { overallCode: OVER_LIMIT, statuses });
  }
  assert.deepEqual(told(global), [
    'shop/p/l global allowed',
    'tried global dry-run',
    'shop/p/l global limited',
    'tried global allowed',
    'shop/p/l global limited',
    'tried global dry-run',
  ]);
  global.request();
  global.timers.advance(21);
  assert.deepEqual(told(global), ['shop/p/l global failed', 'tried global failed']);
});

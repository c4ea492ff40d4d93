import assert from 'node:assert/strict';
import { test } from 'node:test';

import { traffic as messages } from '@ambit/api';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, type LabOptions, type PortShape } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const key = 'shop/shop.shop.svc.cluster.local/80/';
const threeEndpoints = { [key]: ['a', 'b', 'c'] };

type Retries = NonNullable<NonNullable<PortShape['httpRoutes']>[number]['retries']>;

function labWith(retries: Retries | undefined, options: LabOptions = {}, extra: object = {}): Lab {
  const route = {
    name: 'r',
    action: forwardTo('shop.shop.svc.cluster.local'),
    ...(retries === undefined ? {} : { retries }),
    ...extra,
  };
  const upstreams = new FakeUpstreams({ endpoints: threeEndpoints, connectsAtOnce: true });
  return new Lab({ upstreams, ports: [{ port: 80, httpRoutes: [route] }], ...options });
}

const attemptsOf = (lab: Lab): readonly string[] => lab.upstreams.attempts.map(({ endpointId }) => endpointId);

test('by default a failure to connect is tried twice more, at other endpoints, with back-off', () => {
  const lab = new Lab({ upstreams: new FakeUpstreams({ endpoints: threeEndpoints }) });
  const client = lab.request();
  lab.upstreams.last.failToConnect();
  assert.deepEqual(attemptsOf(lab), ['a']);
  lab.timers.advance(12);
  assert.deepEqual(attemptsOf(lab), ['a', 'b']);
  lab.upstreams.last.failToConnect();
  lab.timers.advance(24);
  assert.deepEqual(attemptsOf(lab), ['a', 'b'], 'the second wait is longer');
  lab.timers.advance(1);
  lab.upstreams.last.connect().answer(200, 'ok');
  assert.deepEqual(attemptsOf(lab), ['a', 'b', 'c']);
  assert.equal(client.status, 200);
  assert.deepEqual([lab.record.attempts, lab.record.flags], [3, '']);
  lab.assertNothingHeld();
});

test('the answer after the last attempt says so', () => {
  const lab = new Lab({ upstreams: new FakeUpstreams({ endpoints: threeEndpoints }) });
  const client = lab.request();
  for (let i = 0; i < 3; i++) {
    lab.upstreams.last.failToConnect({ transportReason: 'delayed connect error: Connection refused' });
    lab.timers.advance(300);
  }
  assert.equal(client.status, 503);
  assert.equal(
    client.body,
    'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ' +
      'remote connection failure, transport failure reason: delayed connect error: Connection refused',
  );
  assert.deepEqual([lab.record.flags, lab.record.endpoint?.id], ['URX,UF', 'c']);
  assert.equal(lab.record.transportFailureReason, 'delayed connect error: Connection refused');
  lab.assertNothingHeld();
});

test('what is not named is not repeated', () => {
  for (const [conditions, end] of [
    [['connect-failure'], 'lost'],
    [['connect-failure'], 'reset'],
    [['connect-failure'], 'protocol'],
    [['gateway-error'], 500],
    [['retriable-4xx'], 404],
    [['unavailable'], 503],
  ] as const) {
    const lab = labWith({ maxRetries: 2, conditions: [...conditions] });
    const client = lab.request();
    if (typeof end === 'number') lab.upstreams.last.answer(end);
    else lab.upstreams.last.break(end);
    lab.timers.advance(1000);
    assert.equal(lab.upstreams.attempts.length, 1, `${conditions.join()} ${end}`);
    assert.equal(client.isEnded, true);
  }
});

test('what is named is repeated', () => {
  for (const [conditions, end] of [
    [['5xx'], 500],
    [['gateway-error'], 502],
    [['503'], 503],
    [['retriable-4xx'], 409],
    [['reset'], 'lost'],
    [['5xx'], 'reset'],
    [['refused-stream'], 'refused'],
  ] as const) {
    const lab = labWith({ maxRetries: 2, conditions: [...conditions] });
    const client = lab.request();
    if (typeof end === 'number') lab.upstreams.last.answer(end, 'no');
    else lab.upstreams.last.break(end);
    lab.timers.advance(1000);
    assert.equal(lab.upstreams.attempts.length, 2, `${conditions.join()} ${end}`);
    lab.upstreams.last.answer(200, 'yes');
    assert.deepEqual([client.status, client.body], [200, 'yes']);
    lab.assertNothingHeld();
  }
});

test('a gRPC status in the head of an answer is repeated, one in the trailers is not', () => {
  const lab = new Lab();
  const grpc = { method: 'POST', headers: { 'content-type': 'application/grpc' } };
  const client = lab.request(grpc);
  lab.upstreams.last.respond(200, { 'grpc-status': '14' }, true);
  lab.timers.advance(100);
  assert.equal(lab.upstreams.attempts.length, 2);
  lab.upstreams.last.respond(200).sendBody('\0\0\0\0\x01x').sendEnd({ 'grpc-status': '14' });
  assert.equal(client.trailers?.get('grpc-status'), '14');
  assert.deepEqual([lab.record.grpcStatus, lab.record.responseMessages], [14, 1]);
  lab.assertNothingHeld();
});

test('the body is sent again as it was, with what comes later', () => {
  const lab = labWith({ maxRetries: 1, conditions: ['503'] });
  const client = lab.request({ method: 'POST', hasBody: true });
  client.sendBody('one ');
  client.sendBody('two ');
  const first = lab.upstreams.last;
  first.answer(503, 'no');
  assert.equal(first.isAborted, true, 'its request was not complete');
  assert.equal(client.isPaused, true);
  client.sendBody('three ');
  lab.timers.advance(100);
  assert.equal(client.isPaused, false);
  client.sendBody('four');
  client.sendEnd();
  const { last } = lab.upstreams;
  assert.equal(first.body, 'one two ');
  assert.equal(last.body, 'one two three four');
  assert.equal(last.isEnded, true);
  last.answer(200, 'ok');
  assert.equal(client.body, 'ok');
  lab.assertNothingHeld();
});

test('a body above a mebibyte, or above what the worker can spare, goes on but is not sent again', () => {
  for (const copyBytes of [8 * 1024 * 1024, 100]) {
    const lab = labWith({ maxRetries: 1, conditions: ['503'] }, { copyBytes });
    const client = lab.request({ method: 'POST', hasBody: true });
    const piece = 'x'.repeat(256 * 1024);
    for (let i = 0; i < 5; i++) client.sendBody(piece);
    client.sendEnd();
    assert.equal(lab.upstreams.last.body.length, 5 * piece.length);
    assert.equal(lab.budget.restBytes, copyBytes, 'nothing is kept that is of no use');
    lab.upstreams.last.answer(503, 'no');
    lab.timers.advance(1000);
    assert.equal(lab.upstreams.attempts.length, 1);
    assert.equal(client.status, 503);
    lab.assertNothingHeld();
  }
});

test('a client that sends although it was asked to wait is stopped at a mebibyte', () => {
  const lab = new Lab({ upstreams: new FakeUpstreams() });
  const client = lab.request({ method: 'POST', hasBody: true });
  const piece = 'x'.repeat(512 * 1024);
  for (let i = 0; i < 3; i++) client.sendBody(piece);
  assert.equal(client.status, 413);
  assert.equal(lab.upstreams.last.isCanceled, true);
  lab.assertNothingHeld();
});

test('the limit of retries at a time leaves the answer as it is', () => {
  const lab = labWith({ maxRetries: 2, conditions: ['503'] });
  lab.upstreams.maxRetries = 0;
  const client = lab.request();
  lab.upstreams.last.answer(503, 'busy');
  assert.deepEqual([client.status, client.body, lab.record.flags], [503, 'busy', 'UO']);
  lab.assertNothingHeld();
});

test('an answer of an overloaded or limiting backend is not repeated', () => {
  for (const header of ['x-envoy-overloaded', 'x-envoy-ratelimited']) {
    const lab = labWith({ maxRetries: 2, conditions: ['503', '5xx'] });
    lab.request();
    lab.upstreams.last.answer(503, 'busy', { [header]: 'true' });
    lab.timers.advance(1000);
    assert.equal(lab.upstreams.attempts.length, 1, header);
  }
});

test('endpoints are used again where the route says so', () => {
  const lab = labWith({ maxRetries: 2, conditions: ['503'], reuseEndpoints: true });
  lab.request();
  lab.upstreams.last.answer(503, 'no');
  lab.timers.advance(1000);
  assert.deepEqual(attemptsOf(lab), ['a', 'a']);
});

test('after each second attempt the places of all before are named, where the route leaves them', () => {
  for (const [leaveTriedPlaces, expected] of [
    [true, [undefined, undefined, ['a', 'b'], ['a', 'b'], ['a', 'b', 'c', 'a']]],
    [false, [undefined, undefined, undefined, undefined, undefined]],
  ] as const) {
    const lab = labWith({ maxRetries: 4, conditions: ['503'], leaveTriedPlaces });
    lab.request();
    for (let i = 0; i < 4; i++) {
      lab.upstreams.last.answer(503, 'no');
      lab.timers.advance(1000);
    }
    assert.deepEqual(
      lab.upstreams.attempts.map(({ facts }) => facts.leftEndpoints),
      expected,
    );
  }
});

test('attempts of consistent hashing stay with the endpoint of the hash, unless the route says otherwise', () => {
  const target = 'shop.shop.svc.cluster.local';
  const hashKey = { kind: { case: 'header' as const, value: 'x-user' } };
  const traffic = { balancing: { algorithm: messages.Balancing_Algorithm.RING_HASH, hashKey } };
  for (const [leaveHashedEndpoint, expected] of [
    [false, ['a', 'a']],
    [true, ['a', 'b']],
  ] as const) {
    const retries = { maxRetries: 1, conditions: ['503'], leaveHashedEndpoint };
    const upstreams = new FakeUpstreams({ endpoints: threeEndpoints, connectsAtOnce: true });
    const route = { name: 'r', action: forwardTo(target), retries };
    const lab = new Lab({ upstreams, ports: [{ port: 80, httpRoutes: [route], traffic }] });
    lab.request({ headers: { 'x-user': 'one' } });
    lab.upstreams.last.answer(503, 'no');
    lab.timers.advance(1000);
    assert.deepEqual(attemptsOf(lab), expected);
  }
});

test('a client that leaves during the back-off ends it', async () => {
  const { ExchangeError } = await import('@ambit/exchange');
  const lab = labWith({ maxRetries: 2, conditions: ['503'] });
  const client = lab.request();
  lab.upstreams.last.answer(503, 'no');
  client.leave(new ExchangeError('lost', 'gone'));
  lab.timers.advance(1000);
  assert.equal(lab.upstreams.attempts.length, 1);
  lab.assertNothingHeld();
});

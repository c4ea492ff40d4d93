import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, type LabOptions } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const seconds = (value: number): { readonly seconds: bigint } => ({ seconds: BigInt(value) });

function labWith(route: object, options: LabOptions = {}): Lab {
  const httpRoutes = [{ name: 'r', action: forwardTo('shop.shop.svc.cluster.local'), ...route }];
  return new Lab({ ports: [{ port: 80, httpRoutes }], ...options });
}

test('a request without answer in time gets 504', () => {
  const lab = labWith({ timeout: seconds(2) });
  const client = lab.request();
  assert.equal(lab.upstreams.last.sent?.headers['x-envoy-expected-rq-timeout-ms'], '2000');
  lab.timers.advance(1999);
  assert.equal(client.status, undefined);
  lab.timers.advance(1);
  assert.deepEqual([client.status, client.body], [504, 'upstream request timeout']);
  assert.deepEqual([lab.record.flags, lab.record.details], ['UT', 'response_timeout']);
  assert.equal(lab.upstreams.last.isAborted, true);
  assert.deepEqual(lab.upstreams.last.result, { kind: 'timeout' });
  lab.assertNothingHeld();
});

test('an answer that is not complete in time is cut', () => {
  const lab = labWith({ timeout: seconds(2) });
  const client = lab.request();
  lab.upstreams.last.respond(200).sendBody('part');
  lab.timers.advance(2000);
  assert.equal(client.isAborted, true);
  assert.deepEqual([lab.record.status, lab.record.flags], [200, 'UT']);
  lab.assertNothingHeld();
});

test('the clock starts at the end of the request, so an open stream has no limit', () => {
  const lab = labWith({ timeout: seconds(2) });
  const client = lab.request({ method: 'POST', hasBody: true });
  lab.timers.advance(60_000);
  client.sendBody('late');
  assert.equal(client.status, undefined);
  client.sendEnd();
  lab.timers.advance(2000);
  assert.equal(client.status, 504);
  lab.assertNothingHeld();
});

test('without a limit there is none', () => {
  const lab = labWith({});
  const client = lab.request();
  lab.timers.advance(86_400_000);
  lab.upstreams.last.answer(200, 'at last');
  assert.equal(client.body, 'at last');
});

test('an attempt that takes too long is repeated where resets are, and the whole limit stays', () => {
  const retries = { maxRetries: 5, conditions: ['reset'], perTryTimeout: seconds(1) };
  const lab = labWith({ timeout: seconds(3), retries });
  const client = lab.request();
  assert.equal(lab.upstreams.last.sent?.headers['x-envoy-expected-rq-timeout-ms'], '1000');
  lab.timers.advance(1000);
  assert.equal(lab.upstreams.last.isAborted, true);
  lab.timers.advance(12);
  assert.equal(lab.upstreams.attempts.length, 2);
  lab.timers.advance(1988);
  assert.equal(client.status, 504);
  assert.equal(lab.record.details, 'response_timeout');
  lab.assertNothingHeld();
});

test('an attempt that takes too long and is not repeated gets 504', () => {
  const lab = labWith({ retries: { maxRetries: 2, conditions: ['connect-failure'], perTryTimeout: seconds(1) } });
  const client = lab.request();
  lab.timers.advance(1000);
  assert.deepEqual([client.status, lab.record.details, lab.record.flags], [504, 'upstream_per_try_timeout', 'UT']);
  lab.assertNothingHeld();
});

test('the limit of an attempt holds while there is no connection, and ends with the head of the answer', () => {
  const retries = { maxRetries: 0, perTryTimeout: seconds(1) };
  const connecting = labWith({ retries }, { upstreams: new FakeUpstreams() });
  const waiting = connecting.request();
  connecting.timers.advance(1000);
  assert.equal(waiting.status, 504);
  assert.equal(connecting.upstreams.last.isCanceled, true);
  connecting.assertNothingHeld();

  const answering = labWith({ retries });
  const client = answering.request();
  answering.upstreams.last.respond(200);
  answering.timers.advance(5000);
  answering.upstreams.last.sendBody('slow').sendEnd();
  assert.deepEqual([client.status, client.body], [200, 'slow']);
  answering.assertNothingHeld();
});

test('the deadline of a gRPC client counts, up to that of the route', () => {
  for (const [header, route, expectedMs, grpcStatus] of [
    ['500m', {}, 500, '4'],
    ['500m', { timeout: seconds(2) }, 500, '4'],
    ['10S', { timeout: seconds(2) }, 2000, '14'],
  ] as const) {
    const lab = labWith(route);
    const client = lab.request({ headers: { 'content-type': 'application/grpc', 'grpc-timeout': header } });
    lab.timers.advance(expectedMs - 1);
    assert.equal(client.status, undefined);
    lab.timers.advance(1);
    assert.equal(client.status, 200);
    assert.equal(client.headers['grpc-status'], grpcStatus);
    assert.equal(client.headers['grpc-message'], 'upstream request timeout');
    lab.assertNothingHeld();
  }
});

test('a stream on which nothing moves is ended where that is limited', () => {
  const proxy = { handling: { streamIdleTimeout: seconds(5) } };
  const unfinished = new Lab({ proxy });
  const sender = unfinished.request({ method: 'POST', hasBody: true });
  unfinished.timers.advance(4000);
  sender.sendBody('x');
  unfinished.timers.advance(4000);
  assert.equal(sender.status, undefined, 'it moved');
  unfinished.timers.advance(1000);
  assert.deepEqual([sender.status, sender.body, unfinished.record.flags], [408, 'stream timeout', 'SI']);
  unfinished.assertNothingHeld();

  const silent = new Lab({ proxy });
  const waiting = silent.request();
  silent.timers.advance(5000);
  assert.equal(waiting.status, 504);
  silent.assertNothingHeld();

  const answering = new Lab({ proxy });
  const reader = answering.request();
  answering.upstreams.last.respond(200).sendBody('x');
  answering.timers.advance(5000);
  assert.equal(reader.isAborted, true);
  answering.assertNothingHeld();
});

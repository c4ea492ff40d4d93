import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ExchangeError } from '@ambit/exchange';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab, service, waypointFacts } from './test-support/lab.ts';

test('a request without routes goes straight to the service and its answer comes back', () => {
  const lab = new Lab();
  const client = lab.request({ target: '/cart?x=1', headers: { 'user-agent': 'curl' } });
  const { last } = lab.upstreams;
  assert.equal(last.target.key, 'shop/shop.shop.svc.cluster.local/80/');
  assert.deepEqual(last.sent, {
    method: 'GET',
    authority: 'shop.example.com',
    target: '/cart?x=1',
    headers: { 'user-agent': 'curl', 'x-forwarded-proto': 'http', 'x-request-id': 'request-1' },
  });
  assert.equal(last.isEnded, true);
  lab.timers.advance(7);
  last.answer(200, 'hello', { 'content-type': 'text/html' });
  assert.equal(client.status, 200);
  assert.equal(client.body, 'hello');
  assert.equal(client.isEnded, true);
  assert.deepEqual(client.headers, {
    'content-type': 'text/html',
    'x-envoy-upstream-service-time': '7',
    date: 'Thu, 01 Jan 2026 00:00:01 GMT',
  });
  const { record } = lab;
  assert.deepEqual(
    [record.status, record.flags, record.details, record.responseBytes, record.durationMs, record.routeName],
    [200, '', 'via_upstream', 5, 7, 'default'],
  );
  assert.equal(record.value('UPSTREAM_CLUSTER'), 'inbound-vip|80|http|shop.shop.svc.cluster.local');
  assert.deepEqual(lab.upstreams.results, [{ kind: 'response', status: 200 }]);
  lab.assertNothingHeld();
});

test('a body waits for the connection, then flows with back-pressure in both directions', () => {
  const lab = new Lab({ upstreams: new FakeUpstreams() });
  const client = lab.request({ method: 'POST', hasBody: true });
  assert.equal(client.isPaused, true);
  client.sendBody('early ');
  const { last } = lab.upstreams;
  last.isWritable = false;
  last.connect();
  assert.equal(last.body, 'early ');
  assert.equal(client.isPaused, true, 'the backend is full');
  last.becomeWritable();
  assert.equal(client.isPaused, false);
  last.isWritable = false;
  client.sendBody('more');
  assert.equal(client.isPaused, true);
  last.becomeWritable();
  client.sendEnd();
  assert.equal(last.body, 'early more');
  assert.equal(last.isEnded, true);
  last.respond(200);
  client.isWritable = false;
  last.sendBody('x');
  assert.equal(last.isPaused, true);
  client.isWritable = true;
  client.user.onWritable();
  assert.equal(last.isPaused, false);
  last.sendEnd({ 'x-checksum': '1' });
  assert.equal(client.trailers?.get('x-checksum'), '1');
  assert.equal(lab.record.requestBytes, 10);
  lab.assertNothingHeld();
});

test('a client that leaves ends the attempt and is logged as DC', () => {
  for (const when of ['connecting', 'waiting', 'answering'] as const) {
    const lab = new Lab({ upstreams: new FakeUpstreams() });
    const client = lab.request();
    const { last } = lab.upstreams;
    if (when !== 'connecting') last.connect();
    if (when === 'answering') last.respond(200).sendBody('part');
    client.leave(new ExchangeError('lost', 'gone'));
    assert.equal(when === 'connecting' ? last.isCanceled : last.isAborted, true, when);
    assert.deepEqual([lab.record.flags, lab.record.status], ['DC', when === 'answering' ? 200 : 0], when);
    assert.deepEqual(last.result, { kind: 'canceled' });
    lab.assertNothingHeld();
  }
});

test('an answer that comes before the end of the request ends both', () => {
  const lab = new Lab();
  const client = lab.request({ method: 'POST', hasBody: true });
  client.sendBody('part');
  lab.upstreams.last.answer(413, 'too much');
  assert.equal(client.status, 413);
  assert.equal(client.isEnded, true);
  assert.equal(lab.upstreams.last.isAborted, true, 'the rest of the request is of no use');
  client.sendBody('rest');
  client.sendEnd();
  assert.equal(lab.upstreams.last.body, 'part');
  lab.assertNothingHeld();
});

test('an answer that breaks off is cut, not completed', () => {
  for (const [kind, flag, details] of [
    ['lost', 'UC', 'upstream_reset_after_response_started{connection_termination}'],
    ['reset', 'UR', 'upstream_reset_after_response_started{remote_reset}'],
  ] as const) {
    const lab = new Lab();
    const client = lab.request();
    lab.upstreams.last.respond(200).sendBody('part').break(kind);
    assert.equal(client.isAborted, true);
    assert.equal(client.isEnded, false);
    assert.deepEqual([lab.record.status, lab.record.flags, lab.record.details], [200, flag, details]);
    lab.assertNothingHeld();
  }
});

test('informational answers pass, but not to HTTP/1.0', () => {
  const lab = new Lab({ proxy: { handling: { acceptHttp10: true } } });
  for (const [protocol, expected] of [
    ['HTTP/1.1', [100, 103]],
    ['HTTP/1.0', []],
  ] as const) {
    const client = lab.request({ protocol });
    lab.upstreams.last.inform(100);
    lab.upstreams.last.inform(103);
    lab.upstreams.last.answer(200, 'ok');
    assert.deepEqual(client.informational, expected);
  }
});

test('a request waits while the name of its backend is looked up, but not for ever', () => {
  const lab = new Lab();
  lab.upstreams.failure = 'resolving';
  const client = lab.request();
  lab.timers.advance(500);
  assert.equal(client.status, undefined);
  lab.upstreams.failure = undefined;
  lab.timers.advance(20);
  lab.upstreams.last.answer(200, 'found');
  assert.equal(client.body, 'found');
  lab.upstreams.failure = 'resolving';
  const late = lab.request();
  for (let i = 0; i < 200; i++) lab.timers.advance(20);
  assert.deepEqual([late.status, lab.record.flags], [503, 'UH']);
  lab.assertNothingHeld();
});

test('a service with a wildcard is a way to the hosts that it covers only', () => {
  const served = { ...waypointFacts.served, hostname: '*.example.org', key: 'shop/*.example.org' } as never;
  const lab = new Lab({
    facts: { ...waypointFacts, served },
    destinations: [service('*.example.org', { served: true })],
  });
  assert.equal(lab.request({ authority: 'example.com' }).status, 404);
  assert.equal(lab.record.flags, 'NR');
  const client = lab.request({ authority: 'A.example.org:80' });
  assert.equal(lab.upstreams.last.facts.requestHost, 'A.example.org');
  lab.upstreams.last.answer(200, 'ok');
  assert.equal(client.status, 200);
});

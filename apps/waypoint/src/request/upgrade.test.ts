import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeUpstreams } from './test-support/fake-upstreams.ts';
import { Lab } from './test-support/lab.ts';
import { forwardTo } from './test-support/route-messages.ts';

const websocket = {
  upgrade: 'websocket',
  headers: { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' },
};

test('a WebSocket is opened by the backend, then bytes pass both ways without limit of time', () => {
  const lab = new Lab({
    ports: [
      {
        port: 80,
        httpRoutes: [
          {
            name: 'ws',
            timeout: { seconds: 1n },
            action: forwardTo('shop.shop.svc.cluster.local'),
          },
        ],
      },
    ],
  });
  const client = lab.request(websocket);
  const { last } = lab.upstreams;
  assert.equal(last.facts.isUpgrade, true);
  assert.equal(last.isEndAtOnce, false);
  assert.equal(client.isPaused, true, 'nothing is sent before the backend agrees');
  last.respond(101, { 'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' });
  assert.equal(client.status, 101);
  assert.equal(client.isPaused, false);
  client.sendBody('ping');
  last.sendBody('pong');
  lab.timers.advance(3_600_000);
  client.sendBody('!');
  assert.deepEqual([last.body, client.body], ['ping!', 'pong']);
  client.sendEnd();
  assert.equal(last.isEnded, true);
  last.sendEnd();
  assert.equal(client.isEnded, true);
  assert.deepEqual([lab.record.status, lab.record.requestBytes, lab.record.responseBytes], [101, 5, 4]);
  lab.assertNothingHeld();
});

test('a backend that does not upgrade answers as to any request', () => {
  const lab = new Lab();
  const client = lab.request(websocket);
  lab.upstreams.last.answer(400, 'no');
  assert.deepEqual([client.status, client.body, client.isEnded], [400, 'no', true]);
  assert.equal(lab.upstreams.last.isEnded, true);
  lab.assertNothingHeld();
});

test('an upgrade is not repeated', () => {
  const lab = new Lab({ upstreams: new FakeUpstreams() });
  const client = lab.request(websocket);
  lab.upstreams.last.failToConnect();
  assert.equal(client.status, 503);
  lab.assertNothingHeld();
});

test('an extended CONNECT becomes an upgrade of HTTP/1.1, and its answer a success', () => {
  const lab = new Lab();
  const client = lab.request({ method: 'CONNECT', protocol: 'HTTP/2', upgrade: 'websocket', target: '/chat' });
  const { last } = lab.upstreams;
  assert.equal(last.sent?.method, 'GET');
  assert.equal(Buffer.from(last.sent?.headers['sec-websocket-key'] ?? '', 'base64').length, 16);
  last.respond(101, { 'sec-websocket-accept': 'x', 'sec-websocket-protocol': 'chat' });
  assert.equal(client.status, 200);
  assert.equal(client.headers['sec-websocket-accept'], undefined);
  assert.equal(client.headers['sec-websocket-protocol'], 'chat');
  last.sendBody('hi');
  last.sendEnd();
  assert.equal(client.body, 'hi');
});

test('a client that goes on sending after the backend has ended is cut in the end', () => {
  for (const leaves of [false, true]) {
    const lab = new Lab();
    const client = lab.request(websocket);
    lab.upstreams.last.respond(101).sendEnd();
    assert.equal(client.isEnded, true);
    client.sendBody('more');
    if (leaves) client.sendEnd();
    lab.timers.advance(30_000);
    assert.equal(client.isAborted, !leaves);
    lab.assertNothingHeld();
  }
});

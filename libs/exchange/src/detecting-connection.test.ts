import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';

import {
  acceptHttp,
  defaultClientConnectionSettings,
  defaultServerConnectionSettings,
  detectHttp,
  Http1ClientConnection,
  Http2ClientConnection,
} from './index.ts';
import { memoryPair } from './test-support/memory-channel.ts';
import { RawPeer } from './test-support/raw-peer.ts';
import { AnswerLog, OwnerLog, requestOf, RequestLog } from './test-support/recorders.ts';

test('first bytes tell HTTP/1, HTTP/2, something else, or nothing yet', () => {
  for (const [text, expected] of [
    ['', 'more'],
    ['P', 'more'],
    ['PRI * HTTP/2.', 'more'],
    ['PRI * HTTP/2.0\r\n', 'HTTP/2'],
    ['PO', 'more'],
    ['POST', 'more'],
    ['POST /', 'HTTP/1.1'],
    ['GET / HTTP/1.1\r\n', 'HTTP/1.1'],
    ['PRO', 'other'],
    ['get /', 'other'],
    ['SSH-2.0', 'other'],
    ['\x16\x03\x01', 'other'],
    ['GETX', 'other'],
  ] as const) {
    const bytes = Buffer.from(`xx${text}yy`, 'latin1');
    assert.equal(detectHttp(bytes, 2, text.length), expected, JSON.stringify(text));
  }
});

test('a connection speaks the version of its client, however the first bytes arrive', () => {
  for (const Client of [Http1ClientConnection, Http2ClientConnection]) {
    for (const size of [1, 2, 5, 14, 15, 1000]) {
      const loop = new EventLoop();
      const pair = memoryPair(loop, { cut: () => size });
      const requests = new RequestLog((served) => served.answer(200, served.exchange.head.protocol));
      const server = acceptHttp(pair.right, requests, loop, defaultServerConnectionSettings);
      const client = new Client(pair.left, new OwnerLog(), loop, defaultClientConnectionSettings);
      const log = new AnswerLog();
      client.request(requestOf('GET', '/'), true, log);
      pair.settle();
      assert.equal(log.body, client.protocol);
      assert.equal(server.protocol, client.protocol);
    }
  }
});

test('what is not HTTP is answered 400; a client that leaves at once is no error', () => {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const requests = new RequestLog();
  acceptHttp(pair.right, requests, loop, defaultServerConnectionSettings);
  const client = new RawPeer(pair.left);
  client.send('\x16\x03\x01\x02\x00');
  pair.settle();
  assert.match(client.received, /^HTTP\/1\.1 400 /);
  const quiet = memoryPair(loop);
  const none = new RequestLog();
  acceptHttp(quiet.right, none, loop, defaultServerConnectionSettings);
  new RawPeer(quiet.left).channel.end();
  quiet.settle();
  assert.deepEqual([none.isClosed, none.error], [true, undefined]);
});

test('a client that says nothing is let go in time, and at once by drain', () => {
  const loop = new EventLoop();
  const pair = memoryPair(loop);
  const requests = new RequestLog();
  acceptHttp(pair.right, requests, loop, { ...defaultServerConnectionSettings, headTimeoutMs: 5 });
  const deadline = performance.now() + 5000;
  while (!requests.isClosed && performance.now() < deadline) loop.runOnce(5);
  assert.equal(requests.error?.kind, 'timeout');
  const drained = memoryPair(loop);
  const log = new RequestLog();
  acceptHttp(drained.right, log, loop, defaultServerConnectionSettings).drain();
  assert.equal(log.isClosed, false);
  drained.settle();
  assert.equal(log.isClosed, true);
});

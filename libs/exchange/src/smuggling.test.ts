/** Requests that two programs could read differently: what a server connection refuses, and what a backend behind really gets. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';

import { defaultServerConnectionSettings, Http1ServerConnection } from './index.ts';
import { NotingProxy, post, pourDamaged, refused, smuggled, unread } from './test-support/hostile-requests.ts';
import { memoryPair } from './test-support/memory-channel.ts';
import { RawPeer } from './test-support/raw-peer.ts';
import { RequestLog } from './test-support/recorders.ts';
import { SocketRig } from './test-support/socket-rig.ts';
import { TrivialPool } from './test-support/trivial-proxy.ts';

for (const [name, bytes, status, served = 0] of refused) {
  test(`${name} is answered ${status} and nothing after it is read`, () => {
    const loop = new EventLoop();
    const pair = memoryPair(loop);
    const log = new RequestLog();
    const server = new Http1ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
    const client = new RawPeer(pair.left);
    client.send(bytes + smuggled);
    pair.settle();
    assert.equal(client.received.slice(0, 13), `HTTP/1.1 ${status} `);
    assert.match(client.received, /\r\nconnection: close\r\n/);
    assert.equal(client.received.split('HTTP/1.1 ').length, 2, 'one answer');
    assert.equal(log.served.length, served);
    for (const request of log.served) assert.equal(request.error?.kind, 'protocol');
    assert.equal(client.isEnded, true);
    assert.equal(server.activeExchanges, 0);
  });
}

test('CL.0 and TE.0: a body is never the next request, whoever answers early', () => {
  for (const framed of [
    `Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    `Transfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
  ]) {
    const loop = new EventLoop();
    const pair = memoryPair(loop, { cut: () => 50 });
    const log = new RequestLog((served) => served.answer(404));
    const server = new Http1ServerConnection(pair.right, log, loop, defaultServerConnectionSettings);
    const client = new RawPeer(pair.left);
    client.send(`${post}${framed}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
    pair.settle();
    assert.deepEqual(
      log.served.map((served) => served.exchange.head.target),
      ['/', '/next'],
    );
    assert.equal(server.activeExchanges, 0);
  }
});

test('a backend reads the requests that the proxy read, whatever is sent', async () => {
  await using rig = new SocketRig();
  const seen: string[] = [];
  const backend = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume();
    request.on('end', () => response.end('ok'));
    request.on('error', () => {});
  });
  backend.on('clientError', (error: Error & { readonly code?: string }, socket) => {
    // Only what the parser refuses is another reading: a connection cut in a request's middle or before its answer is none.
    const code = error.code ?? error.message;
    const isReading = code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
    if (isReading) seen.push(`what the backend could not read: ${code}`);
    socket.destroy();
  });
  const pool = new TrivialPool(rig.loop, await rig.listenNode(backend), 'HTTP/1.1');
  const proxy = new NotingProxy(pool);
  const port = rig.serve(proxy);
  rig.defer(() => pool.close());
  await pourDamaged(rig, port, 60);
  assert.ok(seen.length > 200, `${seen.length} requests at the backend`);
  assert.deepEqual(unread(proxy, seen), []);
});

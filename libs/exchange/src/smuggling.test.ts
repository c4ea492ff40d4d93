/** Requests that two programs could read differently: what a server connection refuses, and what a backend behind really gets. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';

import { EventLoop } from '@ambit/net';

import { defaultServerConnectionSettings, Http1ServerConnection, type RequestHead } from './index.ts';
import { memoryPair } from './test-support/memory-channel.ts';
import { RawPeer } from './test-support/raw-peer.ts';
import { RequestLog, responseOf } from './test-support/recorders.ts';
import { SocketRig } from './test-support/socket-rig.ts';
import { TrivialPool, TrivialProxy } from './test-support/trivial-proxy.ts';

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const post = 'POST / HTTP/1.1\r\nHost: a\r\n';
const get = 'GET / HTTP/1.1\r\n';

/** Name, bytes, status of the answer, and whether a first request is served before. */
const refused: readonly (readonly [name: string, bytes: string, status: number, served?: number])[] = [
  ['CL.TE', `${post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`, 400],
  ['TE.CL', `${post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${smuggled}\r\n0\r\n\r\n`, 400],
  ['TE.TE, case', `${post}Transfer-Encoding: chunked\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`, 501],
  ['TE list', `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE identity', `${post}Transfer-Encoding: identity\r\n\r\n${smuggled}`, 501],
  ['TE with tab', `${post}Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n`, 400],
  ['TE quoted', `${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 501],
  ['TE folded', `${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 501],
  ['TE with a space before the colon', `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['two CLs', `${post}Content-Length: 0\r\nContent-Length: 44\r\n\r\n${smuggled}`, 400],
  ['CL list', `${post}Content-Length: 0, 0\r\n\r\n${smuggled}`, 400],
  ['CL signed', `${post}Content-Length: +5\r\n\r\nhello`, 400],
  ['CL hexadecimal', `${post}Content-Length: 0x5\r\n\r\nhello`, 400],
  ['CL empty', `${post}Content-Length:\r\n\r\n${smuggled}`, 400],
  ['CL beyond numbers', `${post}Content-Length: 18446744073709551617\r\n\r\nx`, 400],
  ['chunk extension', `${post}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk extension with LF', `${post}Transfer-Encoding: chunked\r\n\r\n5;\nxx\r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk size with blank', `${post}Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk size overflow', `${post}Transfer-Encoding: chunked\r\n\r\n100000005\r\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk ended by LF', `${post}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`, 400, 1],
  ['chunk longer than said', `${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n`, 400, 1],
  ['framing in trailers', `${post}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n`, 400, 1],
  ['bare LF', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  ['bare LF in a field', `${get}Host: a\nX: y\r\n\r\n`, 400],
  ['bare CR in a field', `${get}Host: a\r\nX: a\rb\r\n\r\n`, 400],
  ['NUL in a value', `${get}Host: a\r\nX: a\0b\r\n\r\n`, 400],
  ['no Host', `${get}\r\n`, 400],
  ['two Hosts', `${get}Host: a\r\nHost: b\r\n\r\n`, 400],
  ['Host list', `${get}Host: a, b\r\n\r\n`, 400],
  ['Host with a path', `${get}Host: a/b\r\n\r\n`, 400],
  ['field without a name', `${get}Host: a\r\n: b\r\n\r\n`, 400],
  ['line without a colon', `${get}Host: a\r\nfoo\r\n\r\n`, 400],
  ['blank before the first field', `${get} Host: a\r\n\r\n`, 400],
  ['two spaces', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['tab as separator', 'GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['HTTP/2 as a version', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['octet above ASCII in the target', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['target without a slash', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['user in an absolute target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['Connection that names Host', `${get}Host: a\r\nConnection: Host\r\n\r\n`, 400],
  ['Connection that names Content-Length', `${post}Content-Length: 5\r\nConnection: Content-Length\r\n\r\nhello`, 400],
  ['CONNECT with a body', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nhello', 400],
  ['empty line first', `\r\n${get}Host: a\r\n\r\n`, 400],
  ['a head that is too long', `${get}Host: a\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ['too many fields', `${get}Host: a\r\n${'X: y\r\n'.repeat(200)}\r\n`, 431],
  ['100,000 fields', `${get}Host: a\r\n${'X: y\r\n'.repeat(100_000)}\r\n`, 431],
  [
    'trailers that are too long',
    `${post}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'y'.repeat(9000)}\r\n\r\n`,
    431,
    1,
  ],
];

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

/** A proxy that notes what it read. */
class NotingProxy extends TrivialProxy {
  readonly heads: RequestHead[] = [];

  override onRequest(exchange: Parameters<TrivialProxy['onRequest']>[0]): void {
    // llhttp knows a list of methods only, and what it does not know would look like a body taken for a request.
    if (!http.METHODS.includes(exchange.head.method)) return exchange.respond(responseOf(501), true);
    this.heads.push(exchange.head);
    super.onRequest(exchange);
  }
}

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
    // A request given up in its middle is cut off, which is no other reading of it.
    const isCut = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE';
    if (!isCut) seen.push(`what the backend could not read: ${error.code}`);
    socket.destroy();
  });
  const pool = new TrivialPool(rig.loop, await rig.listen(backend), 'HTTP/1.1');
  const proxy = new NotingProxy(pool);
  const port = rig.serve(proxy);
  rig.defer(() => pool.close());
  let seed = 12_345;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const edits = ['\r\n', '\n', '\r', ' ', '\t', '0', ';', ':', ',', '\0', 'chunked', '\r\n\r\n', 'Host: b\r\n', 'x'];
  const bases = refused.map(([, bytes]) => bytes).filter((bytes) => bytes.length < 1000);
  const mutated = (): string => {
    let text = `GET /first HTTP/1.1\r\nHost: a\r\n\r\n${bases[next(bases.length)] ?? ''}`;
    for (let count = next(4); count > 0; count--) {
      const at = next(text.length);
      text = text.slice(0, at) + (edits[next(edits.length)] ?? '') + text.slice(at + next(3));
    }
    return text;
  };
  for (let round = 0; round < 60; round++) {
    const sockets = Array.from({ length: 8 }, () => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(mutated(), 'latin1');
      return socket;
    });
    const turns = round + 1;
    for (let turn = 0; turn < 12 + (turns % 3); turn++) {
      await rig.result(new Promise<void>((resolve) => setImmediate(resolve)), 'a turn');
    }
    for (const socket of sockets) socket.destroy();
  }
  await rig.until(
    () => rig.connections.every((connection) => connection.activeExchanges === 0),
    'all exchanges to end',
  );
  assert.ok(seen.length > 200, `${seen.length} requests at the backend`);
  // A request may be given up on the way; none may appear that the proxy did not read.
  const read = new Map<string, number>();
  for (const head of proxy.heads) {
    const key = `${head.method} ${head.target}`;
    read.set(key, (read.get(key) ?? 0) + 1);
  }
  for (const request of seen) {
    const left = read.get(request) ?? 0;
    assert.ok(left > 0, `the backend read ${JSON.stringify(request)}, the proxy did not`);
    read.set(request, left - 1);
  }
});

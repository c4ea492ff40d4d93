/** node:http2 over node:tls as the server of ours: an implementation that is not under test. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import type net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { listenOnLoopback } from '@ambit/testing';
import { Client, OutboundProxy, Rig, serverId } from './test-support/rig.ts';

/** A node server for CONNECT as the far end of our client. */
async function nodeServer(
  rig: Rig,
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  settings: http2.Settings = {},
): Promise<{ port: number; sessions: http2.ServerHttp2Session[] }> {
  const sessions: http2.ServerHttp2Session[] = [];
  const server = http2.createSecureServer({
    cert: rig.serverCertificate.certificateChainPem,
    key: rig.serverCertificate.privateKeyPem,
    ca: rig.ca.rootsPem,
    requestCert: true,
    settings,
  });
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  server.on('sessionError', () => {});
  rig.defer(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const port = await listenOnLoopback(server);
  return { port, sessions };
}

test('a node server gets the request, settings and bytes of our client', async () => {
  await using rig = new Rig();
  const seen: http2.IncomingHttpHeaders[] = [];
  const { port, sessions } = await nodeServer(rig, (stream, headers) => {
    seen.push(headers);
    stream.respond({ ':status': 200, baggage: 'k8s.namespace.name=b' });
    stream.pipe(stream);
  });
  const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
  const client = new Client(rig, outbound.port);
  const bytes = randomBytes(3_000_000);
  client.socket.end(bytes);
  await rig.until(() => client.isEnded && outbound.results.length === 1, 'echo');
  assert.ok(client.received.equals(bytes));
  assert.deepEqual(
    Object.entries(seen[0] ?? {}),
    [
      [':authority', '10.0.0.1:8080'],
      [':method', 'CONNECT'],
      ['baggage', 'k8s.namespace.name=a'],
      ['forwarded', 'for="127.0.0.1:1"'],
    ].toSorted(
      (a, b) => Object.keys(seen[0] ?? {}).indexOf(a[0] ?? '') - Object.keys(seen[0] ?? {}).indexOf(b[0] ?? ''),
    ),
  );
  const { initialWindowSize, maxFrameSize, maxHeaderListSize, enablePush } = sessions[0]?.remoteSettings ?? {};
  assert.deepEqual(
    [initialWindowSize, maxFrameSize, maxHeaderListSize, enablePush],
    [4_194_304, 1_048_576, 16_384, false],
  );
});

test('small windows and frames of a node server are respected', async () => {
  await using rig = new Rig();
  const { port } = await nodeServer(
    rig,
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    },
    { initialWindowSize: 1000, maxFrameSize: 16_384 },
  );
  const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
  const client = new Client(rig, outbound.port);
  const bytes = randomBytes(200_000);
  client.socket.end(bytes);
  await rig.until(() => client.isEnded && outbound.results.length === 1, 'echo');
  assert.ok(client.received.equals(bytes));
});

test('a refusal of a node server is the http status error', async () => {
  await using rig = new Rig();
  const { port } = await nodeServer(rig, (stream) => stream.respond({ ':status': 401 }, { endStream: true }));
  const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
  const client = new Client(rig, outbound.port);
  await rig.until(() => outbound.errors.length === 1 && client.isEnded, 'error');
  assert.equal(outbound.errors[0]?.message, 'http status: 401 Unauthorized');
});

test('an answer of success that is not 200 is no tunnel', async () => {
  await using rig = new Rig();
  const { port } = await nodeServer(rig, (stream) => stream.respond({ ':status': 204 }, { endStream: true }));
  const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
  const client = new Client(rig, outbound.port);
  await rig.until(() => outbound.errors.length + outbound.streams.length === 1 && client.isEnded, 'an end');
  assert.match(outbound.errors[0]?.message ?? '', /^http status: 204 /);
});

for (const [name, code, isRetryable] of [
  ['INTERNAL_ERROR', http2.constants.NGHTTP2_INTERNAL_ERROR, false],
  ['REFUSED_STREAM', http2.constants.NGHTTP2_REFUSED_STREAM, true],
] as const) {
  test(`a request that the server resets with ${name} may${isRetryable ? '' : ' not'} be made again`, async () => {
    await using rig = new Rig();
    const { port } = await nodeServer(rig, (stream) => stream.close(code));
    const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
    const client = new Client(rig, outbound.port);
    await rig.until(() => outbound.errors.length === 1 && client.isEnded, 'the failure');
    const [error] = outbound.errors;
    assert.equal(error?.code, 'STREAM_RESET');
    assert.match(error.message, new RegExp(name));
    assert.equal(error.retryable, isRetryable);
  });
}

test('a stream reset by the server with CANCEL after data is a clean end', async () => {
  await using rig = new Rig();
  const { port } = await nodeServer(rig, (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('data', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  });
  const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
  const client = new Client(rig, outbound.port);
  await rig.until(() => client.isEnded, 'end');
  assert.equal(client.received.toString(), 'data');
  client.socket.end();
  await rig.until(() => outbound.results.length === 1, 'result');
  assert.equal(outbound.results[0]?.error, undefined);
});

test('after GOAWAY new requests go to a new connection and running streams continue', async () => {
  await using rig = new Rig();
  const streams: http2.ServerHttp2Stream[] = [];
  const { port, sessions } = await nodeServer(rig, (stream) => {
    streams.push(stream);
    stream.respond({ ':status': 200 });
  });
  const outbound = new OutboundProxy(rig, rig.pool(), port, '10.0.0.1:8080');
  const first = new Client(rig, outbound.port);
  await rig.until(() => outbound.streams.length === 1, 'first');
  sessions[0]?.goaway(http2.constants.NGHTTP2_NO_ERROR, streams[0]?.id ?? 1);
  // What the server writes after GOAWAY comes after it.
  streams[0]?.write('old');
  await rig.until(() => first.received.length === 3, 'bytes after GOAWAY');
  const second = new Client(rig, outbound.port);
  await rig.until(() => outbound.streams.length === 2, 'second');
  assert.equal(sessions.length, 2);
  streams[0]?.end();
  streams[1]?.end('new');
  await rig.until(() => first.isEnded && second.isEnded, 'both');
  assert.deepEqual([first.received.toString(), second.received.toString()], ['old', 'new']);
});

test('a server with another identity is refused', async () => {
  await using rig = new Rig();
  const { port } = await nodeServer(rig, () => {});
  const outbound = new OutboundProxy(rig, rig.pool(), port, 'x:1', {
    verifyPeer: (names) => names.includes('spiffe://other'),
  });
  const client = new Client(rig, outbound.port);
  await rig.until(() => client.isEnded && outbound.errors.length === 1, 'refusal');
  assert.equal(outbound.errors[0]?.code, 'TLS_FAILED');
  assert.match(outbound.errors[0]?.message ?? '', new RegExp(`identity .*${serverId}`));
});

test('a server that speaks no HTTP/2 is an http2 handshake failure', async () => {
  await using rig = new Rig();
  const server = tls.createServer(
    {
      cert: rig.serverCertificate.certificateChainPem,
      key: rig.serverCertificate.privateKeyPem,
      ca: rig.ca.rootsPem,
      requestCert: true,
      ALPNProtocols: ['h2'],
    },
    (socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  );
  rig.defer(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const outbound = new OutboundProxy(rig, rig.pool(), port, 'x:1');
  const client = new Client(rig, outbound.port);
  await rig.until(() => client.isEnded && outbound.errors.length === 1, 'failure');
  assert.match(outbound.errors[0]?.message ?? '', /^http2 handshake failed: /);
});

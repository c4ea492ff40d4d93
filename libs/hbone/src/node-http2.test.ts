/** node:http2 over node:tls as the peer, in both directions: an implementation that is not under test. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import type net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';

import { Client, clientId, InboundProxy, OutboundProxy, Rig, serverId } from './test-support/rig.ts';

/** A node client session to a server connection of ours. */
async function nodeClient(
  rig: Rig,
  port: number,
  options: tls.ConnectionOptions = {},
): Promise<http2.ClientHttp2Session> {
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ca: rig.ca.rootsPem,
    cert: rig.clientCertificate.certificateChainPem,
    key: rig.clientCertificate.privateKeyPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    ...options,
  });
  const session = http2.connect('https://127.0.0.1', { createConnection: () => socket, maxSessionMemory: 200 });
  session.on('error', () => {});
  rig.defer(() => session.destroy());
  await rig.result(once(session, 'connect'), 'connect');
  return session;
}

function inboundAt(rig: Rig): [InboundProxy, number] {
  const inbound = new InboundProxy(rig);
  const server = rig.server();
  return [inbound, rig.listen((fd) => server.accept(fd, rig.serverTls, inbound))];
}

function connect(
  session: http2.ClientHttp2Session,
  port: number,
  headers: http2.OutgoingHttpHeaders = {},
): http2.ClientHttp2Stream {
  const stream = session.request({ ':method': 'CONNECT', ':authority': `127.0.0.1:${port}`, ...headers });
  stream.on('error', () => {});
  return stream;
}

async function statusOf(rig: Rig, stream: http2.ClientHttp2Stream): Promise<number | undefined> {
  const [headers] = await rig.result(once(stream, 'response'), 'response');
  return (headers as http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader)[':status'];
}

test('a node client sees the settings of the contract', async () => {
  await using rig = new Rig();
  const [, port] = inboundAt(rig);
  const session = await nodeClient(rig, port);
  await rig.until(() => session.remoteSettings.maxConcurrentStreams === 200, 'settings');
  const { initialWindowSize, maxFrameSize, maxHeaderListSize } = session.remoteSettings;
  assert.deepEqual([initialWindowSize, maxFrameSize, maxHeaderListSize], [4_194_304, 1_048_576, 65_536]);
  await rig.until(() => session.state.remoteWindowSize === 16 * 1024 * 1024, 'connection window');
});

test('a node client without ALPN is served', async () => {
  await using rig = new Rig();
  const [inbound, port] = inboundAt(rig);
  const { ALPNProtocols: _none, ...noAlpn } = { ALPNProtocols: undefined };
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ca: rig.ca.rootsPem,
    cert: rig.clientCertificate.certificateChainPem,
    key: rig.clientCertificate.privateKeyPem,
    checkServerIdentity: () => undefined,
    ...noAlpn,
  });
  rig.defer(() => socket.destroy());
  await rig.result(once(socket, 'secureConnect'), 'handshake');
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
  const [data] = (await rig.result(once(socket, 'data'), 'settings')) as [Buffer];
  assert.equal(data[3], 4);
  assert.deepEqual(inbound.connections[0]?.peerUriSans, [clientId]);
});

test('bytes go both ways for a node client, with half-close of each side', async () => {
  await using rig = new Rig();
  const application = await rig.application((socket) => {
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    socket.on('end', () => socket.end(`got ${text}`));
  });
  const [inbound, port] = inboundAt(rig);
  const session = await nodeClient(rig, port);
  const stream = connect(session, application);
  assert.equal(await statusOf(rig, stream), 200);
  let answer = '';
  stream.on('data', (data) => (answer += data.toString()));
  stream.end('question');
  await rig.result(once(stream, 'end'), 'end');
  assert.equal(answer, 'got question');
  await rig.until(() => inbound.results.length === 1, 'bridge');
  assert.deepEqual(inbound.results[0], { bytesToPeer: 12, bytesFromPeer: 8 });
});

test('statuses of a request: 400 for GET, 503 for a closed port, 200 otherwise, on one connection', async () => {
  await using rig = new Rig();
  const [inbound, port] = inboundAt(rig);
  const echo = await rig.application((socket) => socket.pipe(socket));
  const session = await nodeClient(rig, port);
  const get = session.request({ ':method': 'GET', ':path': '/', ':authority': 'x' });
  get.on('error', () => {});
  assert.equal(await statusOf(rig, get), 400);
  assert.equal(await statusOf(rig, connect(session, 1)), 503);
  const good = connect(session, echo);
  assert.equal(await statusOf(rig, good), 200);
  good.end();
  await rig.until(() => inbound.results.length === 1, 'end');
  assert.equal(inbound.connections.length, 1);
});

test('20 MB in each direction arrive unchanged through a node client', async () => {
  await using rig = new Rig();
  const bytes = randomBytes(20_000_000);
  const [inbound, port] = inboundAt(rig);
  const session = await nodeClient(rig, port);
  const stream = connect(session, await rig.application((socket) => socket.pipe(socket)));
  const hash = createHash('sha256');
  stream.on('data', (data) => hash.update(data));
  stream.end(bytes);
  await rig.result(once(stream, 'end'), 'end');
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  await rig.until(() => inbound.results.length === 1, 'bridge');
});

test('190 streams of one node session are served at once', async () => {
  await using rig = new Rig();
  const [inbound, port] = inboundAt(rig);
  const session = await nodeClient(rig, port);
  const echo = await rig.application((socket) => socket.pipe(socket));
  const answers = Array.from({ length: 190 }, () => '');
  const streams = answers.map((_, i) => {
    const stream = connect(session, echo);
    stream.on('data', (data) => (answers[i] += data.toString()));
    stream.write(`stream ${i}`);
    return stream;
  });
  await rig.until(() => answers.every((answer, i) => answer === `stream ${i}`), 'echo');
  assert.equal(inbound.connections[0]?.streamCount, 190);
  for (const stream of streams) stream.end();
  await rig.until(() => inbound.results.length === 190, 'ends');
});

test('a reset of a node client is an ordinary end of the bridge and of the application', async () => {
  await using rig = new Rig();
  let hasEnded = false;
  const application = await rig.application((socket) => {
    socket.resume();
    socket.on('end', () => {
      hasEnded = true;
      socket.end();
    });
  });
  const [inbound, port] = inboundAt(rig);
  const session = await nodeClient(rig, port);
  const stream = connect(session, application);
  await statusOf(rig, stream);
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await rig.until(() => hasEnded && inbound.results.length === 1, 'end');
  assert.equal(inbound.results[0]?.error, undefined);
  assert.equal(inbound.results[0]?.swallowed?.code, 'STREAM_RESET');
});

test('a reset with an error code is an error of the bridge', async () => {
  await using rig = new Rig();
  const [inbound, port] = inboundAt(rig);
  const session = await nodeClient(rig, port);
  const stream = connect(session, await rig.application((socket) => socket.resume()));
  await statusOf(rig, stream);
  stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  await rig.until(() => inbound.results.length === 1, 'end');
  assert.match(inbound.results[0]?.error?.message ?? '', /INTERNAL_ERROR/);
});

test('a request that is reset while it waits tells its handler', async () => {
  await using rig = new Rig();
  const [inbound, port] = inboundAt(rig);
  let cancelled = 0;
  inbound.onConnectHook = (stream) => {
    stream.onCancelled = () => cancelled++;
  };
  const session = await nodeClient(rig, port);
  const first = connect(session, 80);
  await rig.until(() => inbound.requests.length === 1, 'request');
  first.close(http2.constants.NGHTTP2_CANCEL);
  await rig.until(() => cancelled === 1, 'cancel by reset');
  connect(session, 80);
  await rig.until(() => inbound.requests.length === 2, 'request');
  session.destroy();
  await rig.until(() => cancelled === 2, 'cancel by loss');
});

test('draining sends GOAWAY, lets streams finish, refuses new ones and then closes', async () => {
  await using rig = new Rig();
  const inbound = new InboundProxy(rig);
  const server = rig.server();
  const port = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  const echo = await rig.application((socket) => socket.pipe(socket));
  const session = await nodeClient(rig, port);
  const stream = connect(session, echo);
  await statusOf(rig, stream);
  let isGoing = false;
  session.on('goaway', () => (isGoing = true));
  let answer = '';
  stream.on('data', (data) => (answer += data.toString()));
  server.drain();
  await rig.until(() => isGoing, 'GOAWAY');
  stream.write('still here');
  await rig.until(() => answer === 'still here', 'echo while draining');
  assert.equal(server.connectionCount, 1);
  stream.end();
  await rig.until(() => server.connectionCount === 0, 'close');
  assert.deepEqual(inbound.closed, [undefined]);
});

test('a handshake under way is ended before the drain, and what the client asks first is answered', async () => {
  await using rig = new Rig();
  const inbound = new InboundProxy(rig);
  const server = rig.server();
  const port = rig.listen((fd) => {
    server.accept(fd, rig.serverTls, inbound);
    server.drain();
  });
  const session = await nodeClient(rig, port);
  assert.equal(inbound.closed.length, 0);
  await rig.until(() => server.connectionCount === 0 && session.destroyed, 'close');
  assert.deepEqual(inbound.closed, [undefined]);
});

test('an idle connection closes soon after a drain', async () => {
  await using rig = new Rig();
  const inbound = new InboundProxy(rig);
  const server = rig.server();
  const port = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  const session = await nodeClient(rig, port);
  server.drain();
  await rig.until(() => server.connectionCount === 0 && session.destroyed, 'close');
});

test('a client that the handler does not accept is disconnected', async () => {
  await using rig = new Rig();
  const [inbound, port] = inboundAt(rig);
  inbound.acceptsPeer = false;
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ca: rig.ca.rootsPem,
    cert: rig.clientCertificate.certificateChainPem,
    key: rig.clientCertificate.privateKeyPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => {});
  await rig.until(() => socket.destroyed || socket.readableEnded || socket.closed, 'close');
  assert.match(inbound.handshakeErrors[0]?.message ?? '', /identity/);
});

test('a client without certificate and one that never speaks are disconnected', async () => {
  await using rig = new Rig();
  const inbound = new InboundProxy(rig);
  const server = rig.server({ handshakeTimeoutMs: 50 });
  const port = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  const naked = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  naked.on('error', () => {});
  const silent = new Client(rig, port);
  await rig.until(() => inbound.handshakeErrors.length === 2 && silent.isEnded, 'both refused');
  const texts = inbound.handshakeErrors.map((error) => error.message).toSorted();
  assert.match(texts[0] ?? '', /tls handshake error: .*certificate/);
  assert.equal(texts[1], 'tls handshake error: timed out');
  assert.equal(server.connectionCount, 0);
  naked.destroy();
});

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
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { port: address.port, sessions };
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

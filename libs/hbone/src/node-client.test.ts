/** node:http2 over node:tls as the client of ours: an implementation that is not under test. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { test } from 'node:test';
import tls from 'node:tls';
import { Client, clientId, InboundProxy, Rig } from './test-support/rig.ts';

/** A node client session to a server connection of ours. */
async function nodeClient(
  rig: Rig,
  port: number,
  options: tls.ConnectionOptions = {},
): Promise<http2.ClientHttp2Session> {
  const socket = tls.connect({ ...rig.tlsOptions(port), ...options });
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
  const { ALPNProtocols: _protocols, ...options } = rig.tlsOptions(port);
  const socket = tls.connect(options);
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
  const socket = tls.connect(rig.tlsOptions(port));
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

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { HboneError } from './index.ts';
import type { HboneSettings } from './index.ts';
import { Client, clientId, InboundProxy, OutboundProxy, Rig } from './test-support/rig.ts';

interface Path {
  readonly inbound: InboundProxy;
  readonly outbound: OutboundProxy;
}

/** Client -> outbound proxy -> HBONE -> inbound proxy -> application. */
function path(rig: Rig, applicationPort: number, settings: Partial<HboneSettings> = {}): Path {
  const inbound = new InboundProxy(rig);
  const server = rig.server(settings);
  const hbonePort = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  const outbound = new OutboundProxy(rig, rig.pool(settings), hbonePort, `127.0.0.1:${applicationPort}`);
  return { inbound, outbound };
}

test('bytes go through a tunnel and back, and both ends count them', async () => {
  await using rig = new Rig();
  const { inbound, outbound } = path(rig, await rig.application((socket) => socket.pipe(socket)));
  const client = new Client(rig, outbound.port);
  client.socket.end('hello');
  await rig.until(() => client.isEnded && inbound.results.length === 1 && outbound.results.length === 1, 'end');
  assert.equal(client.received.toString(), 'hello');
  assert.deepEqual(inbound.results, [{ bytesToPeer: 5, bytesFromPeer: 5 }]);
  assert.deepEqual(outbound.results, [{ bytesToPeer: 5, bytesFromPeer: 5 }]);
  assert.deepEqual(inbound.connections[0]?.peerUriSans, [clientId]);
  assert.equal(inbound.requests[0]?.header('forwarded'), 'for="127.0.0.1:1"');
  assert.equal(outbound.streams[0]?.responseHeader('baggage'), 'k8s.namespace.name=b');
});

for (const size of [1, 16_384, 3_000_000, 40_000_000]) {
  test(`${size} bytes arrive unchanged in both directions at once`, async () => {
    await using rig = new Rig();
    const up = randomBytes(size);
    const down = randomBytes(size);
    const seen = createHash('sha256');
    let isAllSeen = false;
    const application = await rig.application((socket) => {
      socket.on('data', (data) => seen.update(data));
      socket.on('end', () => (isAllSeen = true));
      socket.end(down);
    });
    const { inbound, outbound } = path(rig, application);
    const client = new Client(rig, outbound.port);
    const received = createHash('sha256');
    client.socket.removeAllListeners('data');
    client.socket.on('data', (data) => received.update(data));
    client.socket.end(up);
    await rig.until(() => inbound.results.length === 1 && client.isEnded && isAllSeen, 'transfer');
    assert.equal(seen.digest('hex'), createHash('sha256').update(up).digest('hex'));
    assert.equal(received.digest('hex'), createHash('sha256').update(down).digest('hex'));
    assert.deepEqual(inbound.results, [{ bytesToPeer: size, bytesFromPeer: size }]);
  });
}

test('a half-close of the client leaves the other direction open', async () => {
  await using rig = new Rig();
  let request = '';
  const application = await rig.application((socket) => {
    socket.on('data', (data) => (request += data.toString()));
    socket.on('end', () => socket.write('first'));
    rig.defer(() => socket.destroy());
    answer = () => socket.end('last');
  });
  let answer: () => void = () => {};
  const { outbound } = path(rig, application);
  const client = new Client(rig, outbound.port);
  client.socket.end('question');
  await rig.until(() => client.received.toString() === 'first', 'first answer');
  assert.equal(request, 'question');
  assert.equal(client.isEnded, false);
  answer();
  await rig.until(() => client.isEnded, 'end');
  assert.equal(client.received.toString(), 'firstlast');
});

test('a half-close of the application leaves the other direction open', async () => {
  await using rig = new Rig();
  let request = '';
  let hasEnded = false;
  const application = await rig.application((socket) => {
    socket.end('early');
    socket.on('data', (data) => (request += data.toString()));
    socket.on('end', () => (hasEnded = true));
  });
  const { inbound, outbound } = path(rig, application);
  const client = new Client(rig, outbound.port);
  await rig.until(() => client.isEnded, 'end of the application');
  client.socket.write('still');
  await rig.until(() => request === 'still', 'bytes after the half-close');
  assert.equal(inbound.results.length, 0);
  client.socket.end();
  await rig.until(() => hasEnded && inbound.results.length === 1 && outbound.results.length === 1, 'both ends');
});

test('a closed port is a 503 to the client side and closes the application socket', async () => {
  await using rig = new Rig();
  const { outbound } = path(rig, 1);
  const client = new Client(rig, outbound.port);
  await rig.until(() => client.isEnded || client.isClosed, 'close');
  assert.equal(outbound.errors[0]?.message, 'http status: 503 Service Unavailable');
  assert.equal(outbound.errors[0]?.code, 'HTTP_STATUS');
});

test('a reset by the application arrives as an ordinary end', async () => {
  await using rig = new Rig();
  const application = await rig.application((socket) => {
    socket.on('data', () => socket.resetAndDestroy());
  });
  const { inbound, outbound } = path(rig, application);
  const client = new Client(rig, outbound.port);
  client.socket.write('x');
  await rig.until(() => client.isEnded, 'end');
  client.socket.end();
  await rig.until(() => inbound.results.length === 1 && outbound.results.length === 1, 'bridges');
  assert.equal(inbound.results[0]?.error, undefined);
  assert.equal(outbound.results[0]?.error, undefined);
});

test('a reset by the client arrives as an ordinary end', async () => {
  await using rig = new Rig();
  let hasEnded = false;
  const application = await rig.application((socket) => {
    socket.on('data', () => {});
    socket.on('end', () => {
      hasEnded = true;
      socket.end();
    });
  });
  const { inbound, outbound } = path(rig, application);
  const client = new Client(rig, outbound.port);
  client.socket.write('x');
  await rig.until(() => inbound.requests.length === 1, 'request');
  client.socket.resetAndDestroy();
  await rig.until(() => hasEnded && inbound.results.length === 1 && outbound.results.length === 1, 'end');
  assert.equal(inbound.results[0]?.error, undefined);
  assert.equal(outbound.results[0]?.error, undefined);
});

test('150 clients share two connections and each gets its own bytes', async () => {
  await using rig = new Rig();
  const { inbound, outbound } = path(rig, await rig.application((socket) => socket.pipe(socket)));
  const clients = Array.from({ length: 150 }, () => new Client(rig, outbound.port));
  const messages = clients.map((_, i) => `${i}:${'x'.repeat(i * 100)}`);
  for (const [i, client] of clients.entries()) client.socket.write(messages[i] ?? '');
  await rig.until(() => clients.every((c, i) => c.received.length === messages[i]?.length), 'echo');
  assert.deepEqual(
    clients.map((client) => client.received.toString()),
    messages,
  );
  assert.equal(inbound.connections.length, 2);
  for (const client of clients) client.socket.end();
  await rig.until(() => inbound.results.length === 150 && outbound.results.length === 150, 'ends');
});

test('a stalled application does not hold up other streams, and what waits for it is bounded', async () => {
  await using rig = new Rig();
  const stalledPort = await rig.application((socket) => socket.pause());
  const echoPort = await rig.application((socket) => socket.pipe(socket));
  const { inbound, outbound } = path(rig, stalledPort);
  const stalled = new Client(rig, outbound.port);
  stalled.socket.write(Buffer.alloc(64 * 1024 * 1024));
  await rig.until(() => inbound.requests.length === 1, 'stalled request');
  outbound.authority = `127.0.0.1:${echoPort}`;
  for (let i = 0; i < 20; i++) {
    const client = new Client(rig, outbound.port);
    client.socket.end(`message ${i}`);
    await rig.until(() => client.isEnded, 'echo beside a stalled stream');
    assert.equal(client.received.toString(), `message ${i}`);
  }
  assert.equal(inbound.connections.length, 1);
  assert.ok(stalled.socket.bytesWritten > 0 && stalled.socket.writableLength > 32 * 1024 * 1024);
});

test('a bulk transfer leaves short requests on the same connection their turn', async () => {
  await using rig = new Rig();
  const sinkPort = await rig.application((socket) => socket.on('end', () => socket.end()).resume());
  const echoPort = await rig.application((socket) => socket.pipe(socket));
  const { inbound, outbound } = path(rig, sinkPort);
  const bulk = new Client(rig, outbound.port);
  const chunk = Buffer.alloc(1024 * 1024);
  let isOver = false;
  const writeOn = (): void => {
    while (!isOver && bulk.socket.write(chunk));
  };
  bulk.socket.on('drain', writeOn);
  writeOn();
  await rig.until(() => outbound.streams.length === 1, 'bulk');
  outbound.authority = `127.0.0.1:${echoPort}`;
  const client = new Client(rig, outbound.port);
  for (let i = 1; i <= 20; i++) {
    client.socket.write('ping');
    await rig.until(() => client.received.length === i * 4, 'echo beside a bulk transfer');
  }
  isOver = true;
  bulk.socket.end();
  client.socket.end();
  await rig.until(() => inbound.results.length === 2, 'ends');
  assert.equal(inbound.connections.length, 1);
  assert.ok((inbound.results[0]?.bytesFromPeer ?? 0) + (inbound.results[1]?.bytesFromPeer ?? 0) > 1024 * 1024);
});

test('aborting a bridge ends both ends at once, with the reason on one side', async () => {
  await using rig = new Rig();
  let isClosed = false;
  const application = await rig.application((socket) => {
    socket.on('end', () => (isClosed = true));
    socket.on('close', () => (isClosed = true));
    socket.resume();
  });
  const inbound = new InboundProxy(rig);
  const server = rig.server();
  const hbonePort = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  const outbound = new OutboundProxy(rig, rig.pool(), hbonePort, `127.0.0.1:${application}`);
  const reason = new HboneError('CLOSED', 'connection closed due to policy change', { source: 'policy' });
  inbound.onConnectHook = (stream) =>
    rig.connect(application, (fd) => {
      stream.respond(200);
      const bridge = stream.bridge(fd, { onClose: (result) => inbound.results.push(result) });
      rig.loop.setTimer(0, { onTimer: () => bridge.abort(reason) });
    });
  const client = new Client(rig, outbound.port);
  await rig.until(() => client.isEnded && isClosed, 'ends');
  assert.equal(inbound.results[0]?.error, reason);
  client.socket.end();
  await rig.until(() => outbound.results.length === 1, 'outbound end');
  assert.equal(outbound.results[0]?.error, undefined);
});

test('the prelude comes before the payload and is not counted', async () => {
  await using rig = new Rig();
  const { inbound, outbound } = path(rig, await rig.application((socket) => socket.pipe(socket)));
  inbound.bridgeOptions = { prelude: Buffer.from('PROXY ') };
  const client = new Client(rig, outbound.port);
  client.socket.end('payload');
  await rig.until(() => inbound.results.length === 1 && client.isEnded, 'end');
  assert.equal(client.received.toString(), 'PROXY payload');
  assert.equal(inbound.results[0]?.bytesFromPeer, 7);
});

test('with sendBeforeResponse the first bytes come with the request', async () => {
  await using rig = new Rig();
  const application = await rig.application((socket) => socket.pipe(socket));
  const { inbound, outbound } = path(rig, application, { sendBeforeResponse: true });
  inbound.onConnectHook = () => {};
  const client = new Client(rig, outbound.port);
  client.socket.end('early');
  await rig.until(() => inbound.requests.length === 1, 'request');
  const stream = inbound.requests[0];
  rig.connect(application, (fd) => {
    stream?.respond(200);
    stream?.bridge(fd, { onClose: (result) => inbound.results.push(result) });
  });
  await rig.until(() => inbound.results.length === 1 && outbound.results.length === 1 && client.isEnded, 'end');
  assert.equal(client.received.toString(), 'early');
  assert.equal(outbound.results[0]?.bytesToPeer, 5);
});

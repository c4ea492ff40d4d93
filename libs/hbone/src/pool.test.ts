import assert from 'node:assert/strict';
import { test } from 'node:test';

import { io } from '@ambit/net';
import { listenOnLoopback } from '@ambit/testing';

import type { HboneError } from './index.ts';
import type { HbonePool, HboneSettings, OutboundStream } from './index.ts';
import { Client, dialPlan, InboundProxy, OutboundProxy, poolKey, Rig } from './test-support/rig.ts';

interface Asked {
  readonly streams: OutboundStream[];
  readonly errors: HboneError[];
}

/** A server that accepts every CONNECT and keeps the streams open, and a pool to it. */
function poolTo(
  rig: Rig,
  settings: Partial<HboneSettings>,
  serverSettings: Partial<HboneSettings> = {},
): [HbonePool, number, InboundProxy] {
  const inbound = new InboundProxy(rig);
  inbound.onConnectHook = (stream) => stream.respond(200);
  const server = rig.server(serverSettings);
  const port = rig.listen((fd) => server.accept(fd, rig.serverTls, inbound));
  return [rig.pool(settings), port, inbound];
}

function ask(
  rig: Rig,
  pool: HbonePool,
  port: number,
  count: number,
  asked: Asked = { streams: [], errors: [] },
): Asked {
  for (let i = 0; i < count; i++) {
    pool.connect(
      poolKey(port),
      dialPlan(rig, port),
      { authority: 'x:1', headers: [] },
      {
        onConnected: (stream) => asked.streams.push(stream),
        onError: (error) => asked.errors.push(error),
      },
    );
  }
  return asked;
}

test('requests of one key share one dial and one connection', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, {});
  const asked = ask(rig, pool, port, 50);
  await rig.until(() => asked.streams.length === 50, 'streams');
  assert.equal(inbound.connections.length, 1);
  ask(rig, pool, port, 1, asked);
  await rig.until(() => asked.streams.length === 51, 'one more');
  assert.equal(inbound.connections.length, 1);
});

test('keys that differ in the order of identities or in the source do not share', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, {});
  const key = poolKey(port);
  const keys = [
    key,
    { ...key, destinationIdentities: ['a', 'b'] },
    { ...key, destinationIdentities: ['b', 'a'] },
    { ...key, sourceAddress: '127.0.0.2' },
    { ...key, sourceIdentity: 'other' },
  ];
  let connected = 0;
  for (const each of keys) {
    pool.connect(
      each,
      dialPlan(rig, port),
      { authority: 'x:1', headers: [] },
      { onConnected: () => connected++, onError: assert.fail },
    );
  }
  await rig.until(() => connected === keys.length, 'streams');
  assert.equal(inbound.connections.length, keys.length);
});

test('a connection that reached its limit gets no more streams, even after they end, and then closes', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, { poolMaxStreamsPerConnection: 3 });
  const asked = ask(rig, pool, port, 3);
  await rig.until(() => asked.streams.length === 3, 'full');
  asked.streams[0]?.reset();
  ask(rig, pool, port, 1, asked);
  await rig.until(() => asked.streams.length === 4, 'fourth');
  assert.equal(inbound.connections.length, 2);
  asked.streams[1]?.reset();
  asked.streams[2]?.reset();
  await rig.until(() => inbound.closed.length === 1 && pool.connectionCount === 1, 'close of the retired one');
});

test("the peer's stream limit is respected once it is known", async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, {}, { serverMaxStreams: 2 });
  const asked = ask(rig, pool, port, 1);
  await rig.until(() => asked.streams.length === 1, 'first');
  for (let i = 2; i <= 5; i++) {
    ask(rig, pool, port, 1, asked);
    await rig.until(() => asked.streams.length === i, 'next');
  }
  assert.deepEqual(asked.errors, []);
  assert.equal(inbound.connections.length, 3);
});

test('a failed dial fails only its request and the next one dials again', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, {});
  const order: string[] = [];
  const callback = (name: string) => ({
    onConnected: () => order.push(`${name} connected`),
    onError: (error: HboneError) => order.push(`${name} ${error.code}`),
  });
  const request = { authority: 'x:1', headers: [] };
  pool.connect(poolKey(port), dialPlan(rig, 1), request, callback('first'));
  pool.connect(poolKey(port), dialPlan(rig, 1), request, callback('second'));
  pool.connect(poolKey(port), dialPlan(rig, port), request, callback('third'));
  pool.connect(poolKey(port), dialPlan(rig, port), request, callback('fourth'));
  await rig.until(() => order.length === 4, 'all');
  assert.deepEqual(order, ['first CONNECT_FAILED', 'second CONNECT_FAILED', 'third connected', 'fourth connected']);
  assert.equal(inbound.connections.length, 1);
});

test('a refused dial and a silent one have the texts of the contract', async () => {
  await using rig = new Rig();
  const [refusedPool] = poolTo(rig, {});
  const refused = ask(rig, refusedPool, 1, 1);
  await rig.until(() => refused.errors.length === 1, 'refusal');
  assert.equal(refused.errors[0]?.message, 'connection failed: Connection refused (os error 111)');
  // A listener whose backlog is full does not answer.
  const listener = io.tcpListen({ address: '127.0.0.1', port: 0, backlog: 0 });
  const { port } = io.localAddress(listener);
  const fillers = Array.from({ length: 4 }, () => io.tcpConnect({ address: '127.0.0.1', port }));
  const silent = ask(rig, rig.pool({ connectTimeoutMs: 100 }), port, 1);
  await rig.until(() => silent.errors.length === 1, 'time-out');
  assert.equal(
    silent.errors[0]?.message,
    'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed',
  );
  assert.equal(silent.errors[0]?.code, 'CONNECT_TIMEOUT');
  for (const fd of [...fillers, listener]) io.close(fd);
});

test('an unused connection leaves the pool and closes', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, { poolUnusedReleaseTimeoutMs: 100 });
  const asked = ask(rig, pool, port, 1);
  await rig.until(() => asked.streams.length === 1, 'stream');
  asked.streams[0]?.reset();
  await rig.until(() => inbound.closed.length === 1 && pool.connectionCount === 0, 'release');
  assert.deepEqual(inbound.closed, [undefined]);
});

test('a connection released with running streams serves them to their end', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, { poolUnusedReleaseTimeoutMs: 50 });
  const asked = ask(rig, pool, port, 1);
  await rig.until(() => asked.streams.length === 1, 'stream');
  let isOver = false;
  rig.loop.setTimer(150, { onTimer: () => (isOver = true) });
  await rig.until(() => isOver, 'disuse');
  assert.equal(pool.connectionCount, 1);
  ask(rig, pool, port, 1, asked);
  await rig.until(() => asked.streams.length === 2, 'new stream');
  assert.equal(inbound.connections.length, 2);
  asked.streams[0]?.reset();
  await rig.until(() => inbound.closed.length >= 1, 'close');
});

test('a cancelled request has no callback, before and after it was sent', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, {});
  let cancelled = 0;
  inbound.onConnectHook = (stream) => {
    stream.onCancelled = () => cancelled++;
  };
  const callback = { onConnected: () => assert.fail('connected'), onError: (error: HboneError) => assert.fail(error) };
  const request = { authority: 'x:1', headers: [] };
  const first = pool.connect(poolKey(port), dialPlan(rig, port), request, callback);
  const second = pool.connect(poolKey(port), dialPlan(rig, port), request, callback);
  second.cancel();
  await rig.until(() => inbound.requests.length === 1, 'request');
  first.cancel();
  await rig.until(() => cancelled === 1, 'reset');
  assert.equal(inbound.requests.length, 1);
});

test('closing the pool fails what waits and ends what runs', async () => {
  await using rig = new Rig();
  const [pool, port] = poolTo(rig, {});
  const asked = ask(rig, pool, port, 1);
  await rig.until(() => asked.streams.length === 1, 'stream');
  const other = { ...poolKey(port), sourceIdentity: 'other' };
  const errors: string[] = [];
  pool.connect(
    other,
    dialPlan(rig, port),
    { authority: 'x:1', headers: [] },
    {
      onConnected: () => assert.fail('connected'),
      onError: (error) => errors.push(error.message),
    },
  );
  pool.close();
  assert.deepEqual(errors, ['pool draining']);
  await rig.until(() => pool.connectionCount === 0, 'close');
  assert.throws(() => ask(rig, pool, port, 1), /pool draining/);
});

test('more waiting requests than the bound are refused', async () => {
  await using rig = new Rig();
  const [pool, port] = poolTo(rig, { poolMaxQueuedPerKey: 5 });
  const asked = ask(rig, pool, port, 20);
  await rig.until(() => asked.streams.length + asked.errors.length === 20, 'all');
  assert.equal(asked.errors.length, 14);
  assert.equal(asked.errors[0]?.code, 'POOL_FULL');
});

test('a peer that does not answer PING loses the tunnel', async () => {
  await using rig = new Rig();
  // The far side is stopped by not turning its loop: it is a listener that accepts the TLS handshake and then is mute.
  const { default: tls } = await import('node:tls');
  const mute = tls.createServer(
    {
      cert: rig.serverCertificate.certificateChainPem,
      key: rig.serverCertificate.privateKeyPem,
      ALPNProtocols: ['h2'],
    },
    (socket) => {
      socket.on('error', () => {});
      // SETTINGS, then HEADERS with :status 200 for stream 1, then nothing.
      socket.write(Buffer.from('000000040000000000', 'hex'));
      socket.write(Buffer.from('00000101040000000188', 'hex'));
      socket.resume();
    },
  );
  rig.defer(() => mute.close());
  const port = await listenOnLoopback(mute);
  const pool = rig.pool({ pingIntervalMs: 50, pingTimeoutMs: 100 });
  const outbound = new OutboundProxy(rig, pool, port, 'x:1');
  const client = new Client(rig, outbound.port);
  await rig.until(() => outbound.streams.length === 1, 'stream');
  await rig.until(() => client.isEnded && outbound.results.length === 1, 'end');
  assert.equal(outbound.results[0]?.error?.code, 'KEEPALIVE_TIMEOUT');
  assert.equal(pool.connectionCount, 0);
});

test('peers that answer PING keep an idle tunnel', async () => {
  await using rig = new Rig();
  const fast = { pingIntervalMs: 10, pingTimeoutMs: 500 };
  const [pool, port, inbound] = poolTo(rig, fast, fast);
  const asked = ask(rig, pool, port, 1);
  await rig.until(() => asked.streams.length === 1, 'stream');
  let isOver = false;
  rig.loop.setTimer(800, { onTimer: () => (isOver = true) });
  await rig.until(() => isOver, 'many pings');
  assert.equal(pool.connectionCount, 1);
  assert.deepEqual(inbound.closed, []);
});

test('requests that the peer refused unseen are asked again on another connection', async () => {
  await using rig = new Rig();
  const [pool, port, inbound] = poolTo(rig, {}, { serverMaxStreams: 5 });
  // All at once, before the peer has told its limit.
  const asked = ask(rig, pool, port, 10);
  await rig.until(() => asked.streams.length + asked.errors.length === 10, 'all');
  assert.deepEqual(asked.errors, []);
  assert.equal(inbound.connections.length, 2);
});

test('an illegal header fails its request and harms no other', async () => {
  await using rig = new Rig();
  const [pool, port] = poolTo(rig, {});
  const errors: HboneError[] = [];
  const asked = ask(rig, pool, port, 1);
  for (const value of ['a\nb', 'snow \u2603']) {
    const request = { authority: 'x:1', headers: [['baggage', value]] as const };
    const callback = {
      onConnected: () => assert.fail('connected'),
      onError: (error: HboneError) => errors.push(error),
    };
    pool.connect(poolKey(port), dialPlan(rig, port), request, callback);
  }
  await rig.until(() => asked.streams.length === 1 && errors.length === 2, 'answers');
  assert.match(errors[0]?.message ?? '', /illegal header/);
});

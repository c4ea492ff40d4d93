/** What clients that do not read may cost the server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { systemClock } from '@ambit/runtime';
import { decodeRequest, encodeRequest } from './delta-request.ts';
import { scanResponse } from './delta-response.ts';
import { DeltaServer, REQUEST_BYTES } from './delta-server.ts';
import { ResourceStore, ztunnelTypes } from './resource-store.ts';
import type { EncodedResponse } from './response-encoder.ts';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from './type-url.ts';
import { readNode, type XdsNode, ztunnelNode } from './xds-node.ts';

let nodes = 0;
/** Each client is on a node of its own. */
function nextNode(): XdsNode {
  nodes += 1;
  const nodeName = `node${nodes}`;
  return readNode(
    ztunnelNode({ instanceIp: '10.0.0.1', podName: 'z', podNamespace: 's', nodeName, extraMetadata: {} }),
  );
}
const text = new TextEncoder();

class Client {
  readonly received: EncodedResponse[] = [];
  readonly close: () => void;
  readonly resume: () => void;
  readonly ask: (typeUrl: string, versions?: ReadonlyMap<string, string>) => void;
  reads = true;
  isCut = false;

  constructor(server: DeltaServer, acceptsGzip = false) {
    const write = (response: EncodedResponse): boolean => {
      this.received.push(response);
      return this.reads;
    };
    const [session, close] = server.openSession(
      nextNode(),
      { write },
      { abort: () => (this.isCut = true), acceptsGzip },
    );
    this.close = close;
    this.resume = () => session.resume();
    this.ask = (typeUrl, initialVersions = new Map()) => {
      session.receive(decodeRequest(encodeRequest({ typeUrl, initialVersions })).request);
      session.answer();
    };
  }

  names(): readonly string[] {
    return this.received.flatMap(({ message }) => [...scanResponse(message).resources()].map(({ name }) => name));
  }
}

type Limits = { readonly maxPinnedBytes?: number; readonly maxSendingBytes?: number; readonly writeTimeoutMs?: number };

function serve(options: Limits = {}) {
  const store = new ResourceStore(ztunnelTypes((value) => Buffer.from(value).toString('hex').slice(-16)));
  const clock = new FakeClock();
  const server = new DeltaServer({ store, authenticate: () => ({ identities: [] }), clock, ...options });
  const set = (...names: readonly string[]): void =>
    store.apply([
      { typeUrl: WDS, set: names.map((name) => ({ name, value: text.encode(`${name} ${store.generation}`) })) },
    ]);
  return { store, server, clock, set };
}

class FakeClock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  nowMs = (): number => this.#nowMs;
  wallTimeMs = (): number => systemClock.wallTimeMs();
  after = (ms: number, run: () => void): Disposable => {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  };

  /** Lets time pass; everything that is due runs, and then what it made due at once. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = endMs;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('traps 51, 52: streams that are owed the same are sent one buffer, on whatever node they are', async () => {
  const { server, clock, set } = serve();
  set('a', 'b');
  const clients = Array.from({ length: 50 }, () => new Client(server));
  for (const client of clients) {
    client.ask(WADS);
    client.ask(WDS);
  }
  const before = server.encodedResponses;
  set('a');
  await clock.pass(100);
  assert.equal(server.encodedResponses, before + 1);
  assert.equal(new Set(clients.map(({ received }) => received.at(-1)?.frame)).size, 1);
  assert.equal(before, 2, 'one snapshot of each type for all');
  server[Symbol.dispose]();
});

test('a client that does not read costs no response, and gets the latest state once when it reads', async () => {
  const { server, store, clock, set } = serve();
  set('a', 'b');
  const slow = new Client(server);
  const quick = new Client(server);
  for (const client of [slow, quick]) {
    client.ask(WADS);
    client.ask(WDS);
  }
  slow.reads = false;
  set('a');
  await clock.pass(100);
  const before = slow.received.length;
  for (let i = 0; i < 200; i += 1) {
    set('a', `other${i % 7}`);
    await clock.pass(50);
  }
  store.apply([{ typeUrl: WDS, remove: ['b'] }]);
  await clock.pass(50);
  assert.equal(slow.received.length, before);
  assert.equal(server.slowStreams, 1);
  assert.ok(server.pinnedBytes < 1_000, `${server.pinnedBytes} bytes are kept`);
  slow.reads = true;
  slow.resume();
  await clock.pass(100);
  assert.equal(slow.received.length, before + 1);
  const last = slow.received.at(-1);
  const response = scanResponse(last?.message ?? new Uint8Array());
  const got = new Map([...response.resources()].map(({ name, version }) => [name, version]));
  assert.deepEqual(response.removed, ['b']);
  for (const [name, resource] of store.all(WDS)) assert.equal(got.get(name), resource.version, name);
  assert.equal(server.slowStreams, 0);
  assert.equal(server.pinnedBytes, 0);
  server[Symbol.dispose]();
});

test('clients that read nothing cannot make the server keep more than its budget; the others go on', async () => {
  const { server, store, clock, set } = serve({ maxPinnedBytes: 10_000 });
  const big = (): void =>
    store.apply([{ typeUrl: WDS, set: [{ name: 'big', value: new Uint8Array(4_000).fill(store.generation) }] }]);
  const quick = new Client(server);
  quick.ask(WADS);
  quick.ask(WDS);
  const stuck: Client[] = [];
  for (let i = 0; i < 40; i += 1) {
    big();
    await clock.pass(50);
    const client = new Client(server);
    client.reads = false;
    client.ask(WADS);
    client.ask(WDS, new Map([['another', String(i)]]));
    client.resume();
    stuck.push(client);
  }
  await clock.pass(100);
  assert.ok(server.pinnedBytes <= 10_000 + 4_200, `${server.pinnedBytes} bytes are kept`);
  const before = quick.received.length;
  set('small');
  await clock.pass(100);
  assert.equal(quick.received.length, before + 1);
  for (const client of stuck) client.close();
  assert.equal(server.pinnedBytes, 0);
  server[Symbol.dispose]();
});

test('a stream that had to wait for the budget goes on when there is room, though nothing changes', async () => {
  const { server, store, clock } = serve({ maxPinnedBytes: 10_000 });
  const stuck = [1, 2, 3].map((version) => {
    store.apply([{ typeUrl: WDS, set: [{ name: 'big', value: new Uint8Array(6_000).fill(version) }] }]);
    const client = new Client(server);
    client.reads = false;
    client.ask(WADS);
    client.resume();
    client.ask(WDS, new Map([['another', '1']]));
    return client;
  });
  const waiting = new Client(server);
  waiting.ask(WADS);
  waiting.ask(WDS, new Map([['another', '1']]));
  await clock.pass(200);
  assert.deepEqual(waiting.names(), []);
  for (const client of stuck) {
    client.reads = true;
    client.resume();
  }
  await clock.pass(200);
  assert.deepEqual(waiting.names(), ['big']);
  server[Symbol.dispose]();
});

test('clients that start together get the full answer in turns, and a stuck one holds up nobody for long', async () => {
  const { server, clock, set } = serve({ maxSendingBytes: 500_000 });
  set(...Array.from({ length: 3_000 }, (_, i) => `Kubernetes//Pod/default/pod-${i}`));
  const clients = Array.from({ length: 40 }, () => new Client(server));
  for (const client of clients) {
    client.ask(WADS);
    client.reads = false;
    client.ask(WDS);
  }
  const served = (): readonly Client[] => clients.filter(({ received }) => received.length === 2);
  await clock.pass(200);
  const [first, ...others] = served();
  const size = first?.received[1]?.frame.length ?? 0;
  assert.ok(size > 64 * 1024 && server.sendingBytes < 500_000 + size, `${server.sendingBytes} bytes are being sent`);
  const turn = served().length;
  assert.ok(turn > 1 && turn < 10, `${turn} were answered at once`);
  for (const client of others) client.resume();
  await clock.pass(200);
  assert.equal(served().length, turn * 2 - 1, 'the stuck one keeps its room');
  // Nobody takes anything any more: after two looks at slow clients the next ones have their turn.
  await clock.pass(10_500);
  assert.ok(served().length >= turn * 3 - 1, `${served().length} are served`);
  for (let i = 0; i < 40 && served().length < 40; i += 1) {
    for (const client of served()) client.resume();
    await clock.pass(100);
  }
  assert.equal(served().length, 40);
  for (const client of clients) client.close();
  assert.equal(server.sendingBytes, 0);
  server[Symbol.dispose]();
});

test('a client that takes nothing for too long is cut', async () => {
  const { server, clock, set } = serve({ writeTimeoutMs: 30_000 });
  set('a');
  const stuck = new Client(server);
  stuck.reads = false;
  stuck.ask(WADS);
  await clock.pass(25_000);
  assert.equal(stuck.isCut, false);
  await clock.pass(20_000);
  assert.equal(stuck.isCut, true);
  server[Symbol.dispose]();
});

test('names that changed are forgotten when every stream was told, and kept for the slowest', async () => {
  const { server, store, clock, set } = serve();
  set('a');
  const client = new Client(server);
  client.ask(WADS);
  client.ask(WDS);
  await clock.pass(15_000);
  set('a');
  await clock.pass(100);
  assert.equal(store.changes(WDS)?.hasSince(0), false);
  client.reads = false;
  set('a');
  await clock.pass(100);
  for (let i = 0; i < 100; i += 1) {
    set(`w${i}`);
    await clock.pass(50);
  }
  assert.equal(store.changes(WDS)?.since(0).names.size, 100);
  server[Symbol.dispose]();
});

test('a large full answer is compressed once for the clients that read gzip', async () => {
  const { server, clock, set } = serve();
  set(...Array.from({ length: 3_000 }, (_, i) => `Kubernetes//Pod/default/pod-${i}`));
  const clients = [new Client(server, true), new Client(server, true), new Client(server)];
  for (const client of clients) {
    client.ask(WADS);
    client.ask(WDS);
  }
  const deadlineMs = performance.now() + 10_000;
  while (clients.some(({ received }) => received.length < 2) && performance.now() < deadlineMs) await clock.pass(50);
  const [first, second, plain] = clients.map(({ received }) => received.at(-1));
  assert.equal(first, second);
  assert.equal(first, plain);
  const compressed = first?.compressedFrame ?? new Uint8Array();
  assert.equal(compressed[0], 1);
  assert.ok(compressed.length * 4 < (first?.frame.length ?? 0));
  assert.deepEqual(Buffer.compare(gunzipSync(compressed.subarray(5)), first?.message ?? new Uint8Array()), 0);
  server[Symbol.dispose]();
});

test('trap 3: a reconnect that names 50,000 resources is answered with what changed, and fits the limit', () => {
  const { server, store, set } = serve();
  const names = Array.from(
    { length: 50_000 },
    (_, i) => `Kubernetes//Pod/some-namespace-${i % 50}/some-workload-6d8f9c7b5-${i}`,
  );
  set(...names);
  const versions = new Map([...store.all(WDS)].map(([name, { version }]) => [name, version]));
  set(names[7] ?? '');
  versions.set('gone', '1');
  const request = encodeRequest({ typeUrl: WDS, initialVersions: versions });
  assert.ok(request.length * 8 < REQUEST_BYTES, `${request.length} bytes`);
  const client = new Client(server);
  client.ask(WADS);
  client.ask(WDS, versions);
  assert.deepEqual(client.names(), [names[7]]);
  assert.deepEqual(scanResponse(client.received.at(-1)?.message ?? new Uint8Array()).removed, ['gone']);
  server[Symbol.dispose]();
});

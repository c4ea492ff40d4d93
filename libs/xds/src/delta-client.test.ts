import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type core, discovery } from '@ambit/api';
import { create, fromBinary } from '@bufbuild/protobuf';
import { DeltaClient, type DeltaClientOptions, type DeltaTypeHandler, type Rejection } from './delta-client.ts';
import { encodeResource, encodeResponse } from './delta-response.ts';
import type { DeltaStream, Termination } from './delta-transport.ts';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS } from './type-url.ts';
import { gatewayNode, readNode, ztunnelNode } from './xds-node.ts';

const node: core.Node = ztunnelNode({
  instanceIp: '',
  podName: 'z',
  podNamespace: 'sys',
  nodeName: 'n1',
  extraMetadata: { CLUSTER: 'c' },
});

/** A list someone can wait on: no sleeping, a deadline on each wait. */
class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  push(item: T): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter(item);
  }

  get size(): number {
    return this.#items.length;
  }

  async next(): Promise<T> {
    for (const item of this.#items.splice(0, 1)) return item;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(() => reject(new Error('nothing came within two seconds')), 2_000);
    this.#waiting.push(resolve);
    return promise.finally(() => clearTimeout(timer));
  }
}

/** The server's side of one stream. */
class PeerStream {
  readonly requests = new Inbox<discovery.DeltaDiscoveryRequest>();
  readonly #responses = new Inbox<Uint8Array | undefined>();
  #termination: Termination = { kind: 'complete', message: 'ended' };
  #nonce = 0;

  get clientSide(): DeltaStream {
    const responses = this.#responses;
    return {
      send: (bytes) => this.requests.push(fromBinary(discovery.DeltaDiscoveryRequestSchema, bytes)),
      responses: (async function* () {
        for (;;) {
          const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
          void responses.next().then(resolve, () => resolve(undefined));
          const message = await promise;
          if (message === undefined) return;
          yield message;
        }
      })(),
      termination: () => this.#termination,
      close: () => responses.push(undefined),
    };
  }

  send(typeUrl: string, resources: Readonly<Record<string, string>>, removed: readonly string[] = []): string {
    this.#nonce += 1;
    const nonce = `n${this.#nonce}`;
    const encodedResources = Object.entries(resources).map(([name, text]) =>
      encodeResource(typeUrl, { name, version: `v-${text}`, value: new TextEncoder().encode(text) }),
    );
    this.sendBytes(encodeResponse({ typeUrl, nonce, systemVersionInfo: '', encodedResources, removed }));
    return nonce;
  }

  sendBytes(bytes: Uint8Array): void {
    this.#responses.push(bytes);
  }

  end(termination: Termination = { kind: 'complete', message: 'ended' }): void {
    this.#termination = termination;
    this.#responses.push(undefined);
  }
}

/** Keeps what it is told, and rejects values that begin with `bad`. */
class TextHandler implements DeltaTypeHandler {
  readonly typeUrl: string;
  readonly mode: DeltaTypeHandler['mode'];
  readonly state = new Map<string, string>();
  readonly sliceSizes: number[] = [];
  readonly removedNames: string[] = [];

  constructor(typeUrl: string, mode: DeltaTypeHandler['mode'] = 'wildcard') {
    this.typeUrl = typeUrl;
    this.mode = mode;
  }

  update(resources: readonly { readonly name: string; readonly value: Uint8Array }[]): readonly Rejection[] {
    this.sliceSizes.push(resources.length);
    const rejections: Rejection[] = [];
    for (const { name, value } of resources) {
      const text = new TextDecoder().decode(value);
      if (text.startsWith('bad')) rejections.push({ name, reason: 'it is bad' });
      else this.state.set(name, text);
    }
    return rejections;
  }

  remove(names: readonly string[]): void {
    this.removedNames.push(...names);
    for (const name of names) this.state.delete(name);
  }
}

class Rig implements AsyncDisposable {
  readonly streams = new Inbox<PeerStream>();
  readonly waits: number[] = [];
  readonly policies = new TextHandler(WADS);
  readonly addresses: TextHandler;
  readonly client: DeltaClient;
  readonly terminations: Termination[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(
    mode: DeltaTypeHandler['mode'] = 'wildcard',
    options: Partial<DeltaClientOptions> = {},
    connectFailures: number = 0,
  ) {
    let failures = connectFailures;
    this.addresses = new TextHandler(WDS, mode);
    this.client = new DeltaClient({
      node,
      types: [this.addresses, this.policies],
      observer: { onTerminated: (termination) => this.terminations.push(termination) },
      connect: () => {
        failures -= 1;
        if (failures >= 0) throw new Error('refused');
        const stream = new PeerStream();
        this.streams.push(stream);
        return stream.clientSide;
      },
      wait: (ms) => {
        this.waits.push(ms);
        return Promise.resolve();
      },
      ...options,
    });
    this.#running = this.client.run(this.#stop.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

test('a stream starts with one request per type, with the node and nothing held', async () => {
  await using rig = new Rig();
  const stream = await rig.streams.next();
  const [first, second] = [await stream.requests.next(), await stream.requests.next()];
  assert.deepEqual([first.typeUrl, second.typeUrl], [WDS, WADS]);
  assert.equal(first.node?.id, 'ztunnel~1.1.1.1~z.sys~sys.svc.cluster.local');
  assert.deepEqual(first.node.metadata, {
    NAME: 'z',
    NAMESPACE: 'sys',
    INSTANCE_IPS: '1.1.1.1',
    NODE_NAME: 'n1',
    CLUSTER: 'c',
  });
  assert.deepEqual(first.resourceNamesSubscribe, []);
  assert.deepEqual(first.initialResourceVersions, {});
});

test('a response is acknowledged with its type and nonce only', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  const nonce = stream.send(WDS, { a: '1' });
  const ack = await stream.requests.next();
  assert.deepEqual(ack, create(discovery.DeltaDiscoveryRequestSchema, { typeUrl: WDS, responseNonce: nonce }));
  assert.deepEqual([...rig.addresses.state], [['a', '1']]);
});

test('a bad resource is named in the NACK while the others are in force', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  const nonce = stream.send(WDS, { a: '1', b: 'bad', c: '3' }, ['gone']);
  const nack = await stream.requests.next();
  assert.equal(nack.responseNonce, nonce);
  assert.equal(nack.errorDetail?.message, 'b: it is bad');
  assert.equal(nack.errorDetail.code, 0);
  assert.deepEqual([...rig.addresses.state.keys()], ['a', 'c']);
  assert.deepEqual(rig.addresses.removedNames, ['gone']);
});

test('a resource without a payload is rejected without troubling the handler', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  // resources { name: "x" } and the type URL.
  const typeUrl = [...new TextEncoder().encode(WDS)];
  stream.sendBytes(Uint8Array.from([0x12, 3, 0x1a, 1, 0x78, 0x22, typeUrl.length, ...typeUrl]));
  assert.equal((await stream.requests.next()).errorDetail?.message, 'x: no payload');
  assert.deepEqual(rig.addresses.sliceSizes, [0]);
});

test('a type nobody asked for is acknowledged', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  const nonce = stream.send('type.googleapis.com/other', { a: '1' });
  const answer = await stream.requests.next();
  assert.deepEqual([answer.responseNonce, answer.errorDetail], [nonce, undefined]);
});

test('initial sync needs an accepted answer of every wildcard type, an empty one counts', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  stream.send(WADS, {});
  await stream.requests.next();
  assert.deepEqual(rig.client.unsynced, [WDS]);
  stream.send(WDS, { a: 'bad' });
  await stream.requests.next();
  assert.deepEqual(rig.client.unsynced, [WDS]);
  stream.send(WDS, { a: 'good' });
  await rig.client.initialSync;
  assert.deepEqual(rig.client.unsynced, []);
});

test('a reconnect names what is held; what was rejected is sent again', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  stream.send(WDS, { a: '1', b: '1', c: '1', d: '1' });
  await stream.requests.next();
  stream.send(WDS, { b: 'bad', never: 'bad' }, ['c']);
  await stream.requests.next();
  stream.end();
  const again = await rig.streams.next();
  const request = await again.requests.next();
  assert.deepEqual(request.initialResourceVersions, { a: 'v-1', b: '', d: 'v-1' });
});

test('a clean end reconnects at once', async () => {
  await using rig = new Rig();
  const stream = await opened(rig);
  stream.send(WDS, {});
  await stream.requests.next();
  stream.end();
  await rig.streams.next();
  assert.deepEqual(rig.waits, []);
});

test('failed connections back off from 10 ms by doubling to 15 s', async () => {
  await using rig = new Rig('wildcard', {}, 14);
  await rig.streams.next();
  assert.deepEqual(rig.waits, [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 15_000, 15_000, 15_000]);
  assert.equal(rig.terminations[0]?.kind, 'connection_error');
});

test('a server that ends every stream without a word is not asked in a tight loop', async () => {
  await using rig = new Rig();
  for (let i = 0; i < 4; i += 1) (await rig.streams.next()).end();
  await rig.streams.next();
  assert.deepEqual(rig.waits, [10, 20, 40, 80]);
});

test('an ordinary disconnect waits 10 ms however often it happens', async () => {
  await using rig = new Rig();
  for (let i = 0; i < 3; i += 1) (await rig.streams.next()).end({ kind: 'reconnect', message: 'gone' });
  await rig.streams.next();
  assert.deepEqual(rig.waits, [10, 10, 10]);
});

test('an unreadable response ends the stream, and backs off when it comes again', async () => {
  await using rig = new Rig();
  for (let i = 0; i < 3; i += 1) (await rig.streams.next()).sendBytes(Uint8Array.of(0x12, 0xff));
  await rig.streams.next();
  assert.deepEqual(rig.waits, [10, 20, 40]);
  assert.deepEqual(
    rig.terminations.map(({ kind }) => kind),
    ['error', 'error', 'error'],
  );
});

test('a large response reaches the handler in bounded slices', async () => {
  await using rig = new Rig('wildcard', { sliceSize: 10 });
  const stream = await opened(rig);
  stream.send(WDS, Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`r${i}`, '1'])));
  await stream.requests.next();
  assert.deepEqual(rig.addresses.sliceSizes, [10, 10, 5]);
});

test('on demand starts by saying "nothing yet", while policies stay wildcard', async () => {
  await using rig = new Rig('on-demand');
  const stream = await rig.streams.next();
  const [addresses, policies] = [await stream.requests.next(), await stream.requests.next()];
  assert.deepEqual([addresses.resourceNamesSubscribe, addresses.resourceNamesUnsubscribe], [['*'], ['*']]);
  assert.deepEqual([policies.resourceNamesSubscribe, policies.resourceNamesUnsubscribe], [[], []]);
});

test('a demanded name is subscribed and its waiter woken by name, alias or removal', async () => {
  await using rig = new Rig('on-demand');
  const stream = await opened(rig);
  const { signal } = new AbortController();
  const byAlias = rig.client.demand(WDS, '/1.1.1.1', { signal });
  const byName = rig.client.demand(WDS, 'ns/host', { signal });
  const missing = rig.client.demand(WDS, '/9.9.9.9', { signal });
  const asked = [await stream.requests.next(), await stream.requests.next(), await stream.requests.next()];
  assert.deepEqual(
    asked.map((request) => [request.resourceNamesSubscribe, request.responseNonce]),
    [
      [['/1.1.1.1'], ''],
      [['ns/host'], ''],
      [['/9.9.9.9'], ''],
    ],
  );
  const value = new TextEncoder().encode('1');
  const encodedResources = [
    encodeResource(WDS, { name: 'uid', version: 'v', value }, ['/1.1.1.1']),
    encodeResource(WDS, { name: 'ns/host', version: 'v', value }),
  ];
  stream.sendBytes(
    encodeResponse({ typeUrl: WDS, nonce: 'n', systemVersionInfo: '', encodedResources, removed: ['/9.9.9.9'] }),
  );
  assert.deepEqual(await Promise.all([byAlias, byName, missing]), ['found', 'found', 'removed']);
});

test('an unanswered demand is repeated after a reconnect', async () => {
  await using rig = new Rig('on-demand');
  const stream = await opened(rig);
  const demand = rig.client.demand(WDS, '/1.1.1.1', { signal: new AbortController().signal });
  await stream.requests.next();
  stream.end();
  const again = await rig.streams.next();
  assert.deepEqual((await again.requests.next()).initialResourceVersions, { '/1.1.1.1': '' });
  again.send(WDS, { '/1.1.1.1': 'x' });
  assert.equal(await demand, 'found');
});

test('a demand ends with its signal', async () => {
  await using rig = new Rig('on-demand');
  const abort = new AbortController();
  const demand = rig.client.demand(WDS, '/1.1.1.1', { signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(demand, /enough/);
});

test('names that are followed are asked for on every stream, whether the server has them or not', async () => {
  await using rig = new Rig('named');
  rig.client.changeNames(WDS, ['a', 'b'], []);
  const stream = await rig.streams.next();
  assert.deepEqual((await stream.requests.next()).resourceNamesSubscribe, ['a', 'b']);
  await stream.requests.next();
  stream.send(WDS, { a: '1' }, ['b']);
  await stream.requests.next();
  rig.client.changeNames(WDS, ['a', 'c'], ['nothing']);
  const change = await stream.requests.next();
  assert.deepEqual([change.resourceNamesSubscribe, change.resourceNamesUnsubscribe], [['c'], []]);
  rig.client.changeNames(WDS, [], ['a']);
  assert.deepEqual((await stream.requests.next()).resourceNamesUnsubscribe, ['a']);
  stream.end();
  const again = await rig.streams.next();
  const request = await again.requests.next();
  assert.deepEqual([request.resourceNamesSubscribe, request.initialResourceVersions], [['b', 'c'], {}]);
});

test('an L7 proxy introduces itself as one, with the names a server looks at', () => {
  const identity = { instanceIp: '10.0.0.9', podName: 'w-1', podNamespace: 'shop', nodeName: 'n1', extraMetadata: {} };
  const said = readNode(gatewayNode({ ...identity, kind: 'waypoint', gateway: 'w', serviceAccount: 'w' }));
  assert.equal(said.id, 'waypoint~10.0.0.9~w-1.shop~shop.svc.cluster.local');
  assert.deepEqual([said.kind, said.namespace, said.serviceAccount], ['waypoint', 'shop', 'w']);
});

/** The first stream after its initial requests. */
async function opened(rig: Rig): Promise<PeerStream> {
  const stream = await rig.streams.next();
  await stream.requests.next();
  await stream.requests.next();
  return stream;
}

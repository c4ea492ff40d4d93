import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { discovery } from '@ambit/api';
import { eventually, makeTestCa } from '@ambit/testing';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { CallContext } from '../call-context.ts';
import { frameOf } from '../frame-prefix.ts';
import { GrpcChannel } from '../grpc-channel.ts';
import type { GrpcClientOptions } from '../grpc-client.ts';
import { GrpcError } from '../grpc-error.ts';
import { healthCheckMethod } from '../health-check.ts';
import { methodDefinition, withByteRequests, withByteResponses } from '../method-definition.ts';
import type { ServerTlsMaterial } from '../server-credentials.ts';
import { healthMethod } from './health-method.ts';
import type { RpcCall, RpcMethod } from './rpc-call.ts';
import { RpcPort } from './rpc-port.ts';

/** Bytes in both directions; what the messages mean is of no interest here. */
const method: MethodDefinition<Uint8Array, Uint8Array> = withByteRequests(
  withByteResponses(methodDefinition(discovery.AggregatedDiscoveryService.method.deltaAggregatedResources)),
);
const ca = makeTestCa();
const leaf = ca.issue(undefined, { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
const cleanup: AsyncDisposable[] = [];
afterEach(async () => {
  for (const owned of cleanup.splice(0).toReversed()) await owned[Symbol.asyncDispose]();
});

class Material {
  material: ServerTlsMaterial;
  readonly #handlers = new Set<(material: ServerTlsMaterial) => void>();

  constructor(material: ServerTlsMaterial) {
    this.material = material;
  }

  update(material: ServerTlsMaterial): void {
    this.material = material;
    for (const handler of this.#handlers) handler(material);
  }

  onChange(handler: (material: ServerTlsMaterial) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }
}

interface Rig {
  readonly port: RpcPort;
  readonly tls: Material;
  readonly errors: unknown[];
  channel(more?: Partial<GrpcClientOptions>): GrpcChannel;
}

async function start(serve: RpcMethod['serve'], roots?: string): Promise<Rig> {
  const errors: unknown[] = [];
  const tls = new Material({ ...leaf, ...(roots === undefined ? {} : { clientRootsPem: roots }) });
  const port = await RpcPort.listen({
    address: '127.0.0.1',
    port: 0,
    tls,
    methods: [{ path: method.path, serve }, healthMethod],
    maxRequestBytes: 8 * 1024 * 1024,
    onHandlerError: (_path, error) => errors.push(error),
  });
  cleanup.push(port);
  const channel = (more: Partial<GrpcClientOptions> = {}): GrpcChannel => {
    const made = new GrpcChannel({
      address: `https://127.0.0.1:${port.port}`,
      roots: { kind: 'inline', pem: ca.rootsPem },
      ...more,
    });
    cleanup.push({ [Symbol.asyncDispose]: () => Promise.resolve(made.close()) });
    return made;
  };
  return { port, tls, errors, channel };
}

const echo = (call: RpcCall): ReturnType<RpcMethod['serve']> => {
  const writer = call.open();
  return { receive: (message) => void writer.write(frameOf(message)), close: () => undefined };
};

/** A stream as its client sees it. */
class Seen {
  readonly messages: Uint8Array[] = [];
  status: number | undefined;
  details = '';
  readonly stream;

  constructor(channel: GrpcChannel) {
    this.stream = channel.bidi(method);
    this.stream.on('data', (message: Uint8Array) => this.messages.push(message));
    this.stream.on('error', () => undefined);
    this.stream.on('status', ({ code, details }: { readonly code: number; readonly details: string }) => {
      this.status = code;
      this.details = details;
    });
  }

  async until(condition: () => boolean): Promise<void> {
    await until(condition);
  }
}

/** Whether it ends well or by a reset. */
function closeOf(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => undefined);
  socket.on('close', () => resolve());
  socket.resume();
  return promise;
}

async function until(condition: () => boolean): Promise<void> {
  await eventually(String(condition), condition);
}

test('messages of every size come back in order, and the end of the requests is the end of the call', async () => {
  const { channel } = await start(echo);
  const seen = new Seen(channel());
  const sent = [0, 1, 16_379, 16_384, 70_000, 3, 5_000_000].map((size, index) => Buffer.alloc(size, index + 1));
  for (const message of sent) seen.stream.write(message);
  await seen.until(() => seen.messages.length === sent.length);
  assert.deepEqual(
    seen.messages.map((message) => Buffer.compare(message, sent[seen.messages.indexOf(message)] ?? message)),
    sent.map(() => 0),
  );
  seen.stream.end();
  await seen.until(() => seen.status !== undefined);
  assert.equal(seen.status, 0);
});

test('what a method throws is the status: its own before and during the call, INTERNAL without detail for bugs', async () => {
  const rig = await start((call) => {
    if (call.context.header('refuse') === 'yes') throw new GrpcError('PERMISSION_DENIED', 'not 100 % — yours');
    call.open();
    return {
      receive: (message) => {
        throw message.length === 0 ? new Error('secret') : new GrpcError('INVALID_ARGUMENT', 'malformed');
      },
      close: () => undefined,
    };
  });
  const refused = new Seen(rig.channel({ headers: { refuse: 'yes' } }));
  await refused.until(() => refused.status !== undefined);
  assert.deepEqual([refused.status, refused.details], [7, 'not 100 % — yours']);
  const malformed = new Seen(rig.channel());
  malformed.stream.write(Buffer.from('x'));
  await malformed.until(() => malformed.status !== undefined);
  assert.deepEqual([malformed.status, malformed.details], [3, 'malformed']);
  assert.equal(rig.errors.length, 0);
  const bug = new Seen(rig.channel());
  bug.stream.write(Buffer.alloc(0));
  await bug.until(() => bug.status !== undefined);
  assert.deepEqual([bug.status, bug.details], [13, 'internal error']);
  assert.equal(rig.errors.length, 1);
});

test('requests wait until the caller is known, and are not taken from one who is refused', async () => {
  const judged = Promise.withResolvers<boolean>();
  let taken = 0;
  const { channel } = await start(async (call) => {
    if (!(await judged.promise)) throw new GrpcError('UNAUTHENTICATED', 'who?');
    call.open();
    return { receive: () => void (taken += 1), close: () => undefined };
  });
  const seen = new Seen(channel());
  for (let i = 0; i < 10; i += 1) seen.stream.write(Buffer.alloc(1_000));
  const health = await channel().unary(healthCheckMethod, { service: '' }, { timeoutMs: 5_000 });
  assert.equal(health, 'SERVING');
  assert.equal(taken, 0);
  judged.resolve(true);
  await seen.until(() => taken === 10);
  const refused = await start(() => Promise.reject(new GrpcError('UNAUTHENTICATED', 'who?')));
  const stranger = new Seen(refused.channel({ token: { kind: 'literal', token: '' } }));
  stranger.stream.write(Buffer.alloc(10));
  await stranger.until(() => stranger.status === 16);
});

test('methods and services that are not there, and requests that are no gRPC, are told so', async () => {
  const { channel, port } = await start(echo);
  const unknown = { ...method, path: '/a.B/C' };
  await assert.rejects(channel().unary(unknown, Buffer.alloc(0), { timeoutMs: 5_000 }), { status: 'UNIMPLEMENTED' });
  const other = channel().unary(healthCheckMethod, { service: 'other' }, { timeoutMs: 5_000 });
  await assert.rejects(other, { status: 'NOT_FOUND' });
  const session = connectHttp2(`https://localhost:${port.port}`, { ca: ca.rootsPem });
  const request = session.request({ ':path': method.path });
  const [headers]: [Record<string, unknown>] = await once(request, 'response').then(([first]) => [first]);
  assert.equal(headers[':status'], 415);
  session.destroy();
});

test('a request over the limit ends the call, not the connection', async () => {
  const { channel } = await start(echo);
  const shared = channel();
  const large = new Seen(shared);
  large.stream.write(Buffer.alloc(9 * 1024 * 1024));
  await large.until(() => large.status !== undefined);
  assert.equal(large.status, 8);
  assert.equal(await shared.unary(healthCheckMethod, { service: '' }, { timeoutMs: 5_000 }), 'SERVING');
});

test('a client certificate is shown only if it verified; none is needed', async () => {
  const contexts: CallContext[] = [];
  const { channel } = await start((call) => {
    contexts.push(call.context);
    return echo(call);
  }, ca.rootsPem);
  const identity = 'spiffe://cluster.local/ns/a/sa/b';
  for (const [clientCertificate, isShown] of [
    [undefined, false],
    [ca.issue(identity), true],
    [makeTestCa().issue(identity), false],
  ] as const) {
    const seen = new Seen(channel(clientCertificate === undefined ? {} : { clientCertificate }));
    seen.stream.write(Buffer.from('x'));
    await seen.until(() => seen.messages.length === 1);
    assert.equal(contexts.at(-1)?.clientCertificate !== undefined, isShown);
    assert.match(contexts.at(-1)?.peer ?? '', /^127\.0\.0\.1:\d+$/);
  }
});

test('a new certificate is used by new connections, and the ones that are open go on', async () => {
  const { channel, tls } = await start(echo);
  const before = new Seen(channel());
  before.stream.write(Buffer.from('x'));
  await before.until(() => before.messages.length === 1);
  const other = makeTestCa();
  tls.update(other.issue(undefined, { ipAddresses: ['127.0.0.1'] }));
  const after = new Seen(channel({ roots: { kind: 'inline', pem: other.rootsPem } }));
  after.stream.write(Buffer.from('x'));
  await after.until(() => after.messages.length === 1);
  before.stream.write(Buffer.from('y'));
  await before.until(() => before.messages.length === 2);
});

test('a client that does not read stops the writer, and what it missed follows when it reads again', async () => {
  const chunk = frameOf(Buffer.alloc(32 * 1024, 'x'));
  const total = 400;
  let written = 0;
  const { channel } = await start((call) => {
    const writer = call.open();
    const go = (): void => {
      for (let goesOn = true; goesOn && written < total;) {
        goesOn = writer.write(chunk);
        written += 1;
      }
    };
    writer.onDrain(go);
    return { receive: go, close: () => undefined };
  });
  const seen = new Seen(channel());
  seen.stream.pause();
  seen.stream.write(Buffer.from('go'));
  let before = -1;
  await until(() => {
    const isStill = written > 0 && written === before;
    before = written;
    return isStill;
  });
  assert.ok(written < total, `${written} frames written to a client that reads nothing`);
  seen.stream.resume();
  await seen.until(() => seen.messages.length === total);
});

test('a call that is cut, or whose client leaves, closes its receiver once and aborts its signal', async () => {
  let closed = 0;
  const calls: RpcCall[] = [];
  const { channel } = await start((call) => {
    calls.push(call);
    call.open();
    return { receive: () => call.abort(), close: () => void (closed += 1) };
  });
  const cut = new Seen(channel());
  cut.stream.write(Buffer.from('x'));
  await cut.until(() => cut.status !== undefined);
  assert.equal(closed, 1);
  const left = new Seen(channel());
  await until(() => calls.length === 2);
  left.stream.cancel();
  await until(() => closed === 2);
  assert.deepEqual(
    calls.map(({ context }) => context.signal.aborted),
    [true, true],
  );
});

test('stopping lets calls end until the deadline, and cuts what is left then', async () => {
  const ended = await start(echo);
  const polite = new Seen(ended.channel());
  polite.stream.write(Buffer.from('x'));
  await polite.until(() => polite.messages.length === 1);
  const stopping = ended.port.stop(10_000);
  polite.stream.write(Buffer.from('y'));
  await polite.until(() => polite.messages.length === 2);
  polite.stream.end();
  await stopping;
  assert.equal(polite.status, 0);
  const cut = await start(echo);
  const stubborn = new Seen(cut.channel());
  stubborn.stream.write(Buffer.from('x'));
  await stubborn.until(() => stubborn.messages.length === 1);
  await cut.port.stop(20);
  await stubborn.until(() => stubborn.status !== undefined);
  assert.notEqual(stubborn.status, 0);
});

test('a connection that says nothing, or no TLS, holds up neither others nor the end', async () => {
  const { channel, port } = await start(echo);
  const silent = connect(port.port, '127.0.0.1');
  await once(silent, 'connect');
  const rude = connect(port.port, '127.0.0.1');
  const refused = closeOf(rude);
  rude.write('GET / HTTP/1.1\r\n\r\n');
  await refused;
  assert.equal(await channel().unary(healthCheckMethod, { service: '' }, { timeoutMs: 5_000 }), 'SERVING');
  const closed = closeOf(silent);
  await port.stop(0);
  await closed;
});

test('an address that is taken is refused with the reason', async () => {
  const { port, tls } = await start(echo);
  const taken = RpcPort.listen({
    address: 'localhost',
    port: port.port,
    tls,
    methods: [],
    maxRequestBytes: 1,
    onHandlerError: () => undefined,
  });
  await assert.rejects(taken, { status: 'UNAVAILABLE', message: /cannot listen on 127\.0\.0\.1/ });
});

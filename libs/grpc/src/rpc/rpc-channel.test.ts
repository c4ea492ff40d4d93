/** What servers may do to a client that the tests of both transports do not show; the server is Node's HTTP/2. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { discovery } from '@ambit/api';
import { eventually } from '@ambit/testing';
import type { MethodDefinition } from '@grpc/grpc-js';
import { frameOf, putFramePrefix } from '../frame-prefix.ts';
import type { GrpcStatus } from '../grpc-error.ts';
import { methodDefinition, withByteRequests, withByteResponses } from '../method-definition.ts';
import { RpcChannel } from './rpc-channel.ts';

const method: MethodDefinition<Uint8Array, Uint8Array> = withByteRequests(
  withByteResponses(methodDefinition(discovery.AggregatedDiscoveryService.method.deltaAggregatedResources)),
);
const nothing = new Uint8Array();
const quick = { timeoutMs: 5_000 };
const GRPC = { ':status': 200, 'content-type': 'application/grpc' };

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const close of cleanup.splice(0).toReversed()) close();
});

interface Rig {
  readonly channel: RpcChannel;
  readonly server: Http2Server;
  readonly sessions: readonly ServerHttp2Session[];
  /** Headers of each call. */
  readonly calls: Record<string, unknown>[];
}

async function serve(
  answer: (stream: ServerHttp2Stream, call: number) => void,
  options: { readonly maxReceiveBytes?: number } = {},
): Promise<Rig> {
  const sessions: ServerHttp2Session[] = [];
  const calls: Record<string, unknown>[] = [];
  const server = createServer();
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined).resume();
    calls.push({ ...headers });
    answer(stream, calls.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  const channel = new RpcChannel({ address: `http://127.0.0.1:${bound.port}`, ...options });
  cleanup.push(() => {
    channel.close();
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { channel, server, sessions, calls };
}

/** A whole answer with these trailers. */
function end(stream: ServerHttp2Stream, body: Uint8Array, trailers: Record<string, string>, head: object = {}): void {
  stream.respond({ ...GRPC, ...head }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}

const ok = { 'grpc-status': '0' };

function packed(message: Uint8Array): Uint8Array {
  const bytes = gzipSync(message);
  const frame = frameOf(bytes);
  putFramePrefix(frame, bytes.length, true);
  return frame;
}

test('a call says what gRPC wants to hear: its deadline, its type, what it reads', async () => {
  const { channel, calls } = await serve((stream) => end(stream, frameOf(Buffer.from('yes')), ok));
  assert.equal(Buffer.from(await channel.unary(method, nothing, quick)).toString(), 'yes');
  const [head = {}] = calls;
  assert.equal(head[':method'], 'POST');
  assert.equal(head[':path'], method.path);
  assert.equal(head[':scheme'], 'http');
  assert.match(String(head[':authority']), /^127\.0\.0\.1:\d+$/);
  assert.equal(head['content-type'], 'application/grpc');
  assert.equal(head['te'], 'trailers');
  assert.equal(head['grpc-accept-encoding'], 'identity,gzip');
  assert.match(String(head['grpc-timeout']), /^(?:[1-4]\d{3}|5000)m$/);
});

test('each way in which an answer ends badly has its status', async () => {
  const table: readonly (readonly [GrpcStatus, RegExp, (stream: ServerHttp2Stream) => void])[] = [
    [
      'PERMISSION_DENIED',
      /^not 100 % — yours$/,
      (s) => end(s, nothing, { 'grpc-status': '7', 'grpc-message': 'not 100 %25 %E2%80%94 yours' }),
    ],
    [
      'NOT_FOUND',
      /^100 %$/,
      (s) => s.respond({ ...GRPC, 'grpc-status': '5', 'grpc-message': '100 %' }, { endStream: true }),
    ],
    ['UNKNOWN', /without a status/, (s) => end(s, frameOf(nothing), { other: '1' })],
    ['UNKNOWN', /without a status/, (s) => end(s, nothing, { 'grpc-status': '-1' })],
    ['UNKNOWN', /UNKNOWN/, (s) => end(s, nothing, { 'grpc-status': '99' })],
    ['INTERNAL', /without a message/, (s) => end(s, nothing, ok)],
    ['INTERNAL', /more than one/, (s) => end(s, Buffer.concat([frameOf(nothing), frameOf(nothing)]), ok)],
    ['INTERNAL', /inside a message/, (s) => end(s, frameOf(Buffer.alloc(9)).subarray(0, 7), ok)],
    ['INTERNAL', /flags 9/, (s) => end(s, Buffer.from([9, 0, 0, 0, 0]), ok)],
    ['RESOURCE_EXHAUSTED', /over the limit of 1000/, (s) => end(s, frameOf(Buffer.alloc(1_001)), ok)],
    ['UNAVAILABLE', /HTTP status 503/, (s) => s.respond({ ':status': 503 }, { endStream: true })],
    ['UNAUTHENTICATED', /HTTP status 401/, (s) => s.respond({ ':status': 401 }, { endStream: true })],
    [
      'UNIMPLEMENTED',
      /HTTP status 404/,
      (s) => {
        s.respond({ ':status': 404 });
        s.end('<html>');
      },
    ],
    [
      'UNKNOWN',
      /content type text\/html/,
      (s) => {
        s.respond({ ':status': 200, 'content-type': 'text/html' });
        s.end('<html>');
      },
    ],
    ['CANCELLED', /CANCEL/, (s) => s.close(8)],
    ['RESOURCE_EXHAUSTED', /ENHANCE_YOUR_CALM/, (s) => s.close(11)],
    ['INTERNAL', /PROTOCOL_ERROR/, (s) => s.close(1)],
    ['UNAVAILABLE', /closed|ECONN|cut|lost/i, (s) => s.session?.socket.destroy()],
  ];
  for (const [status, text, answer] of table) {
    const { channel } = await serve((stream) => answer(stream), { maxReceiveBytes: 1_000 });
    await assert.rejects(channel.unary(method, nothing, quick), { status, message: text }, `${status} ${text}`);
  }
});

test('an answer that does not come in time is given up, and the server told', async () => {
  const cancelled = Promise.withResolvers<number>();
  const { channel } = await serve((stream) => stream.on('close', () => cancelled.resolve(stream.rstCode ?? 0)));
  await assert.rejects(channel.unary(method, nothing, { timeoutMs: 50 }), { status: 'DEADLINE_EXCEEDED' });
  assert.equal(await cancelled.promise, 8);
});

test('gzip is read, within the limit; anything else that is packed is refused', async () => {
  const large = Buffer.alloc(900, 'x');
  const gzip = { 'grpc-encoding': 'gzip' };
  const { channel } = await serve(
    (stream, call) => {
      const rest = [packed(large), frameOf(Buffer.from('plain'))];
      if (call === 1) end(stream, Buffer.concat(rest), ok, gzip);
      else if (call === 2) end(stream, packed(Buffer.alloc(1_001)), ok, gzip);
      else if (call === 3) end(stream, packed(large), ok, { 'grpc-encoding': 'deflate' });
      else if (call === 4) end(stream, packed(large), ok);
      else end(stream, Buffer.from([1, 0, 0, 0, 2, 1, 2]), ok, gzip);
    },
    { maxReceiveBytes: 1_000 },
  );
  const read: string[] = [];
  for await (const message of channel.bidi(method)) read.push(Buffer.from(message).toString());
  assert.deepEqual(read, [large.toString(), 'plain']);
  await assert.rejects(channel.unary(method, nothing, quick), { status: 'RESOURCE_EXHAUSTED' });
  await assert.rejects(channel.unary(method, nothing, quick), { status: 'INTERNAL', message: /deflate, not gzip/ });
  await assert.rejects(channel.unary(method, nothing, quick), { status: 'INTERNAL', message: /identity, not gzip/ });
  await assert.rejects(channel.unary(method, nothing, quick), { status: 'INTERNAL', message: /cannot be unpacked/ });
});

test('a server that is ahead is stopped by the window until its messages are asked for', async () => {
  const chunk = frameOf(Buffer.alloc(64 * 1024, 'x'));
  const total = 400;
  let written = 0;
  const stopped = Promise.withResolvers<void>();
  const { channel } = await serve((stream) => {
    stream.respond(GRPC);
    const go = (): void => {
      while (written < total) {
        written += 1;
        if (!stream.write(chunk)) break;
      }
      if (written < total) stream.once('drain', go);
      // The window is four MiB: what goes beyond waits with the server.
      if (written * chunk.length > 4 * 1024 * 1024) stopped.resolve();
    };
    go();
  });
  const stream = channel.bidi(method);
  const messages = stream[Symbol.asyncIterator]();
  await messages.next();
  await stopped.promise;
  assert.ok(written < total, `${written} messages written to a client that asked for one`);
  for (let read = 1; read < total; read += 1) assert.equal((await messages.next()).value?.length, 64 * 1024);
  stream.cancel();
});

test('a server that goes away keeps its calls and gets no new ones; what it did not look at is asked elsewhere', async () => {
  const streams: ServerHttp2Stream[] = [];
  const { channel, sessions } = await serve((stream, call) => {
    streams.push(stream);
    if (call === 1) stream.respond(GRPC);
    else if (call === 2) stream.close(7);
    else end(stream, frameOf(Buffer.from('served')), ok);
  });
  const long = channel.bidi(method);
  const messages = long[Symbol.asyncIterator]();
  const first = messages.next();
  assert.equal(Buffer.from(await channel.unary(method, nothing, quick)).toString(), 'served', 'after REFUSED_STREAM');
  assert.equal(sessions.length, 1);
  const known = Promise.withResolvers<void>();
  sessions[0]?.goaway(0, 2 ** 31 - 1);
  // What answers a PING has read what came before it.
  sessions[0]?.ping(() => known.resolve());
  await known.promise;
  await channel.unary(method, nothing, quick);
  assert.equal(sessions.length, 2);
  streams[0]?.write(frameOf(Buffer.from('still here')));
  assert.equal(Buffer.from((await first).value ?? nothing).toString(), 'still here');
  long.cancel();
});

test('a server that takes one call at a time gets them one after the other', async () => {
  const open = new Set<ServerHttp2Stream>();
  let most = 0;
  const { channel, server, sessions } = await serve((stream) => {
    open.add(stream);
    most = Math.max(most, open.size);
    stream.on('close', () => open.delete(stream));
    setImmediate(() => end(stream, frameOf(nothing), ok));
  });
  server.on('session', (session) => session.settings({ maxConcurrentStreams: 1 }));
  // The limit is known when this is answered.
  await channel.unary(method, nothing, quick);
  await Promise.all(Array.from({ length: 20 }, () => channel.unary(method, nothing, quick)));
  assert.equal(sessions.length, 1);
  assert.equal(most, 1);
});

test('after a failed attempt calls fail at once with its reason, and the next attempt comes when it is due', async () => {
  const closed = createTcpServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const bound = closed.address();
  assert.ok(bound !== null && typeof bound === 'object');
  const { port } = bound;
  closed.close();
  await once(closed, 'close');
  const channel = new RpcChannel({ address: `http://127.0.0.1:${port}` });
  cleanup.push(() => channel.close());
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(channel.unary(method, nothing, quick), { status: 'UNAVAILABLE', message: /ECONNREFUSED/ });
  }
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/grpc' });
    response.addTrailers(ok);
    response.end(frameOf(nothing));
  });
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.listen(port, '127.0.0.1');
  cleanup.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  await eventually('the server is tried again', () =>
    channel.unary(method, nothing, quick).then(
      () => true,
      () => false,
    ),
  );
});

test('names are looked up, unknown ones are UNAVAILABLE, and headers that cannot be sent are refused', async () => {
  const { channel, server } = await serve((stream) => end(stream, frameOf(nothing), ok));
  await channel.unary(method, nothing, quick);
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  using named = new RpcChannel({ address: `http://localhost:${bound.port}` });
  await named.unary(method, nothing, quick);
  using unknown = new RpcChannel({ address: 'http://no-such-host.invalid:1' });
  await assert.rejects(unknown.unary(method, nothing, quick), { status: 'UNAVAILABLE', message: /no-such-host/ });
  for (const headers of [{ 'bad name': 'x' }, { name: 'two\r\nlines' }, { te: 'x' }, { ':path': '/x' }]) {
    await assert.rejects(channel.unary(method, nothing, { ...quick, headers }), { status: 'INVALID_ARGUMENT' });
  }
});

test('a closed channel lets its calls end, takes no new ones, and leaves nothing open', async () => {
  const streams: ServerHttp2Stream[] = [];
  const { channel, sessions } = await serve((stream) => {
    streams.push(stream);
    stream.respond(GRPC);
    stream.write(frameOf(Buffer.from('one')));
  });
  const messages = channel.bidi(method)[Symbol.asyncIterator]();
  assert.equal(Buffer.from((await messages.next()).value ?? nothing).toString(), 'one');
  channel.close();
  await assert.rejects(channel.unary(method, nothing, quick), { status: 'CANCELLED' });
  streams[0]?.write(frameOf(Buffer.from('two')));
  assert.equal(Buffer.from((await messages.next()).value ?? nothing).toString(), 'two');
  const [session] = sessions;
  assert.ok(session !== undefined);
  const gone = once(session, 'close');
  await messages.return?.();
  await gone;
});

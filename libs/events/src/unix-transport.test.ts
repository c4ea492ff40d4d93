import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '@ambit/testing';
import fc from 'fast-check';
import { encodeFrame, frameKinds, FrameReader } from './bus-frame.ts';
import { testTransport } from './test-support/event-bus-suite.ts';
import { EventError } from './event-error.ts';
import { UnixBusServer } from './unix-bus-server.ts';
import { UnixTransport } from './unix-transport.ts';

interface Place extends Disposable {
  readonly path: string;
}

function place(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-bus-'));
  return { path: join(folder, 'bus.sock'), [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

testTransport('unix socket', async () => {
  const { path, [Symbol.dispose]: remove } = place();
  const server = await UnixBusServer.listen({ path });
  const publisher = new UnixTransport({ path });
  const subscriber = new UnixTransport({ path });
  return {
    publisher,
    subscriber,
    [Symbol.asyncDispose]: async () => {
      for (const end of [publisher, subscriber, server]) await end[Symbol.asyncDispose]();
      remove();
    },
  };
});

test('a client that comes first waits for the server, outlives its restart, and loses only what no queue holds', async () => {
  using socket = place();
  await using client = new UnixTransport({ path: socket.path, queueLimit: 2 });
  const heard: number[] = [];
  client.subscribe('a.*', (_subject, bytes) => void heard.push(bytes[0] ?? -1));
  for (const value of [1, 2, 3]) client.publish('a.b', Uint8Array.of(value));
  assert.equal(client.status.dropped, 1);
  await eventually('the failure shows', () => client.status.lastError !== '');
  {
    await using _server = await UnixBusServer.listen({ path: socket.path });
    await eventually('the queue arrives', () => heard.length === 2);
  }
  await eventually('the loss shows', () => client.status.state === 'connecting');
  await using _again = await UnixBusServer.listen({ path: socket.path });
  await eventually('it connects again', () => client.status.state === 'connected');
  client.publish('a.c', Uint8Array.of(4));
  await eventually('the subscription lives', () => heard.includes(4));
  assert.deepEqual(heard, [2, 3, 4]);
});

test('only the owner may open the socket', async () => {
  using socket = place();
  await using _server = await UnixBusServer.listen({ path: socket.path });
  assert.equal(statSync(socket.path).mode & 0o777, 0o600);
});

test('a client that sends nonsense is cut and the others go on', async () => {
  using socket = place();
  await using server = await UnixBusServer.listen({ path: socket.path });
  await using client = new UnixTransport({ path: socket.path });
  await eventually('it connects', () => client.status.state === 'connected');
  const rude = createConnection(socket.path);
  const cut = new Promise((resolve) => rude.on('close', resolve));
  rude.on('error', () => undefined);
  rude.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  await cut;
  assert.equal(client.status.state, 'connected');
  await eventually('one client is left', () => server.clients === 1);
});

test('a client that does not read loses messages instead of filling the server', async () => {
  using socket = place();
  await using server = await UnixBusServer.listen({ path: socket.path, maxClientBytes: 64 * 1024 });
  await using client = new UnixTransport({ path: socket.path });
  const lazy = createConnection(socket.path);
  lazy.pause();
  lazy.write(encodeFrame(frameKinds.subscribe, 'a.>'));
  await eventually('both are there', () => server.clients === 2 && client.status.state === 'connected');
  const payload = new Uint8Array(32 * 1024);
  await eventually('the server drops', () => {
    for (let i = 0; i < 8; i += 1) client.publish('a.b', payload);
    return server.dropped > 0;
  });
  lazy.destroy();
});

test('frames survive any split', () => {
  const frame = fc.record(
    {
      kind: fc.constantFrom(...Object.values(frameKinds)),
      subject: fc.stringMatching(/^[a-z.]{0,40}$/),
      payload: fc.uint8Array({ maxLength: 50 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.integer({ min: 1, max: 20 }), (frames, size) => {
      const bytes = Buffer.concat(frames.map(({ kind, subject, payload }) => encodeFrame(kind, subject, payload)));
      const reader = new FrameReader();
      const got = [];
      for (let at = 0; at < bytes.length; at += size) got.push(...reader.push(bytes.subarray(at, at + size)));
      assert.deepEqual(got, frames);
    }),
    { numRuns: 200, seed: 5 },
  );
});

test('arbitrary bytes are frames or an EventError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        new FrameReader().push(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof EventError);
      }
    }),
    { numRuns: 1_000, seed: 6 },
  );
});

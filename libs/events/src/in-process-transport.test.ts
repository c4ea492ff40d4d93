import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testTransport } from './test-support/event-bus-suite.ts';
import { EventError } from './event-error.ts';
import { InProcessTransport } from './in-process-transport.ts';
import { openEventBus } from './open-event-bus.ts';

testTransport('in process', () => {
  const transport = new InProcessTransport();
  return Promise.resolve({
    publisher: transport,
    subscriber: transport,
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  });
});

test('a full queue gives up the oldest and counts it', async () => {
  await using transport = new InProcessTransport(2);
  const heard: number[] = [];
  transport.subscribe('a.b', (_subject, bytes) => void heard.push(bytes[0] ?? -1));
  for (const value of [1, 2, 3]) transport.publish('a.b', Uint8Array.of(value));
  assert.deepEqual([transport.status.queued, transport.status.dropped], [2, 1]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(heard, [2, 3]);
});

test('the setting decides the transport, and nonsense is refused', async () => {
  for (const [address, kind] of [
    [undefined, 'in-process'],
    ['', 'in-process'],
    ['unix:/nonexistent/bus.sock', 'unix-socket'],
  ] as const) {
    await using bus = openEventBus({ address, source: 'test' });
    assert.equal(bus.status.kind, kind);
  }
  assert.throws(
    () => openEventBus({ address: 'http://x', source: 'test' }),
    (error) => error instanceof EventError && error.code === 'BAD_ADDRESS',
  );
});

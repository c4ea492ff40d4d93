/** Against a real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, NatsServer, natsSkipReason } from '@ambit/testing';
import { testTransport } from './test-support/event-bus-suite.ts';
import { EventBus } from './event-bus.ts';
import { NatsTransport } from './nats-transport.ts';

const skip = natsSkipReason();

/** A server that runs. */
async function startServer(): Promise<NatsServer> {
  return (await NatsServer.prepare()).start();
}

testTransport(
  'NATS',
  async () => {
    const server = await startServer();
    const publisher = new NatsTransport({ servers: [server.url], name: 'p' });
    const subscriber = new NatsTransport({ servers: [server.url], name: 's' });
    return {
      publisher,
      subscriber,
      [Symbol.asyncDispose]: async () => {
        for (const end of [publisher, subscriber, server]) await end[Symbol.asyncDispose]();
      },
    };
  },
  skip,
);

test(
  'NATS: without a server nothing blocks, the queue is bounded, and all works once it comes back',
  { skip },
  async () => {
    await using server = await NatsServer.prepare();
    await using transport = new NatsTransport({ servers: [server.url], name: 'p', queueLimit: 2 });
    await using bus = new EventBus({ transport, source: 'test' });
    const heard: number[] = [];
    bus.subscribe('config.published', ({ payload }) => void heard.push(payload.generation));
    const publish = (generation: number): void =>
      bus.publish('config.published', { generation, changed: 0, removed: 0, replica: '' });
    for (const generation of [1, 2, 3]) publish(generation);
    assert.deepEqual([bus.status.state, bus.status.queued, bus.status.dropped], ['connecting', 2, 1]);
    await eventually('the failure shows', () => bus.status.lastError !== '');
    await server.start();
    await eventually('the queue arrives', () => heard.length === 2);
    await server.kill();
    await eventually('the loss shows', () => bus.status.state === 'connecting');
    await server.start();
    await eventually('it connects again', () => bus.status.state === 'connected');
    publish(4);
    await eventually('the subscription lives', () => heard.includes(4));
    assert.deepEqual(heard, [2, 3, 4]);
  },
);

test('NATS: the end does not wait for a server that has just died', { skip, timeout: 60_000 }, async () => {
  await using server = await startServer();
  const transport = new NatsTransport({ servers: [server.url], name: 'p' });
  await eventually('it connects', () => transport.status.state === 'connected');
  await server.kill();
  transport.publish('a.b', Uint8Array.of(1));
  // Waiting for the server would never end.
  await transport[Symbol.asyncDispose]();
  assert.notEqual(transport.status.state, 'connected');
});

test('NATS: the audit stream keeps what was published before there was a server', { skip }, async () => {
  await using server = await NatsServer.prepare();
  await using transport = new NatsTransport({ servers: [server.url], name: 'ca', keepsAudit: true });
  await using bus = new EventBus({ transport, source: 'ca' });
  for (let count = 1; count <= 100; count += 1) {
    const serialNumber = String(count);
    bus.publish('cert.issued', { identity: 'spiffe://a', caller: 'c', serialNumber, notAfterWallTimeMs: 1 });
  }
  assert.equal(bus.status.queued, 100);
  await server.start();
  await eventually('all are kept', async () => (await server.messagesIn('AMBIT_AUDIT')) === 100);
  assert.equal(bus.status.dropped, 0);
});

test('NATS: the audit stream keeps issued certificates', { skip }, async () => {
  await using server = await startServer();
  await using transport = new NatsTransport({ servers: [server.url], name: 'ca', keepsAudit: true });
  await using bus = new EventBus({ transport, source: 'ca' });
  await eventually('the stream exists', async () => (await server.messagesIn('AMBIT_AUDIT')) === 0);
  bus.publish('cert.issued', { identity: 'spiffe://a', caller: 'c', serialNumber: '1', notAfterWallTimeMs: 1 });
  await eventually('it is kept', async () => (await server.messagesIn('AMBIT_AUDIT')) === 1);
});

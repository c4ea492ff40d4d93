import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChannelProbe, eventually, makeTestCa } from '@ambit/testing';
import type { ByteChannel } from './byte-channel.ts';
import { EPOLLIN } from './epoll-events.ts';
import { io } from './io.ts';
import { checked } from './net-error.ts';
import { NodeEventLoop } from './node-event-loop.ts';
import { secureSocket } from './secure-socket.ts';
import { tcpPair } from './test-support/loopback.ts';

async function until(condition: () => boolean): Promise<void> {
  await eventually(String(condition), condition);
}

/** A few turns of the loop, and of Node's. */
async function turns(loop: NodeEventLoop): Promise<void> {
  for (let left = 3; left > 0; left -= 1) {
    let isOver = false;
    loop.setTimer(2, { onTimer: () => (isOver = true) });
    await until(() => isOver);
  }
}

test('timers fire in order and not early, whoever sets them, while Node runs the thread', async () => {
  using loop = new NodeEventLoop();
  // Time passes while the loop has nothing to do, and its own notion of it grows old.
  await until(() => performance.now() - loop.nowMs > 25);
  const startMs = performance.now();
  const fired = new Map<string, number>();
  const note = (name: string): void => void fired.set(name, performance.now() - startMs);
  loop.setTimer(40, { onTimer: () => note('late') });
  loop.setTimer(10, {
    onTimer: () => {
      note('early');
      loop.setTimer(10, { onTimer: () => note('inner') });
    },
  });
  const dropped = loop.setTimer(5, { onTimer: () => note('dropped') });
  loop.clearTimer(dropped);
  await until(() => fired.size === 3);
  const { early = 0, inner = 0, late = 0 } = Object.fromEntries(fired);
  assert.ok(early >= 9 && late >= 39, `${early} ms, ${late} ms`);
  assert.ok(inner - early >= 9, `set by the first one, ${inner - early} ms after it`);
  // Insertion order is the order in which they fired; on a machine that is held up the inner one may be after both.
  assert.deepEqual(
    [...fired.keys()].filter((name) => name !== 'inner'),
    ['early', 'late'],
  );
});

test('what is asked for outside of a turn is done soon, once', async () => {
  using loop = new NodeEventLoop();
  let count = 0;
  const task = {
    onTurnEnd: () => {
      count += 1;
      if (count === 1) loop.atTurnEnd(task);
    },
  };
  loop.atTurnEnd(task);
  assert.equal(count, 0);
  await until(() => count === 2);
  await turns(loop);
  assert.equal(count, 2);
});

test('descriptors are served while timers of Node and promises go on', async () => {
  using loop = new NodeEventLoop();
  const [near, far] = tcpPair();
  const seen: number[] = [];
  const buffer = new Uint8Array(16);
  loop.add(far, EPOLLIN, { onEvents: () => void seen.push(io.read(far, buffer, 0, 16)) });
  for (let i = 1; i <= 3; i += 1) {
    io.write(near, buffer, 0, i);
    await until(() => seen.length === i);
  }
  assert.deepEqual(seen, [1, 2, 3]);
  loop.close(far);
  io.close(near);
});

test('a disposed loop runs nothing, and disposing twice is harmless', async () => {
  const loop = new NodeEventLoop();
  loop.setTimer(1, { onTimer: () => assert.fail('a timer of a disposed loop') });
  loop.atTurnEnd({ onTurnEnd: () => assert.fail('a task of a disposed loop') });
  loop[Symbol.dispose]();
  loop[Symbol.dispose]();
  using other = new NodeEventLoop();
  await turns(other);
});

const ca = makeTestCa();
const leaf = ca.issue(undefined, { dnsNames: ['a.test'] });
const server = io.edgeTlsContext(
  { alpn: ['h2'], certificate: { chainPem: leaf.certificateChainPem, keyPem: leaf.privateKeyPem } },
  'server',
);

test('a handshake on a connecting socket ends in a channel at both ends, and bytes pass', async () => {
  using loop = new NodeEventLoop();
  const listener = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0 }));
  const channels: Partial<Record<'client' | 'server', ByteChannel>> = {};
  const shake = (role: 'client' | 'server', fd: number): Disposable => {
    const context = role === 'server' ? server : io.edgeTlsContext({ alpn: ['h2'], rootsPem: ca.rootsPem }, 'client');
    return secureSocket(
      loop,
      fd,
      { context, role, timeoutMs: 5_000, ...(role === 'client' ? { serverName: 'a.test' } : {}) },
      {
        onSecured: (channel, session) => {
          assert.equal(io.tlsDescribe(session).alpn, 'h2');
          channels[role] = channel;
        },
        onSecureFailed: (reason) => assert.fail(reason),
      },
    );
  };
  loop.add(listener, EPOLLIN, { onEvents: () => void shake('server', checked('accept', io.accept(listener))) });
  const handshake = shake('client', checked('tcpConnect', io.tcpConnect(io.localAddress(listener))));
  await until(() => channels.client !== undefined && channels.server !== undefined);
  handshake[Symbol.dispose]();
  const { client: near, server: far } = channels;
  assert.ok(near !== undefined && far !== undefined);
  const probe = new ChannelProbe(far);
  new ChannelProbe(near).send('hello');
  near.end();
  await until(() => probe.isEnded);
  assert.equal(probe.received.toString(), 'hello');
  far.end();
  loop.close(listener);
});

test('a handshake fails for a stranger and for silence, and one that is given up tells nobody', async () => {
  using loop = new NodeEventLoop();
  const failures: string[] = [];
  const user = {
    onSecured: () => assert.fail('secured'),
    onSecureFailed: (reason: string) => void failures.push(reason),
  };
  const options = { context: server, role: 'server', timeoutMs: 30 } as const;
  const [rude, first] = tcpPair();
  secureSocket(loop, first, options, user);
  io.write(rude, Buffer.from('GET / HTTP/1.1\r\n\r\n'), 0, 18);
  const [silent, second] = tcpPair();
  secureSocket(loop, second, options, user);
  const [, third] = tcpPair();
  const given = secureSocket(loop, third, options, user);
  given[Symbol.dispose]();
  given[Symbol.dispose]();
  await until(() => failures.length === 2);
  assert.match(failures[0] ?? '', /http request|wrong version/i);
  assert.equal(failures[1], 'timed out');
  for (const fd of [rude, silent]) io.close(fd);
});

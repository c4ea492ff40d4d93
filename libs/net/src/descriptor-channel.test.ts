import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { ChannelProbe } from '@ambit/testing';
import type { ByteChannel } from './byte-channel.ts';
import { socketChannel, tlsChannel } from './descriptor-channel.ts';
import { EAGAIN, ECONNRESET } from './errno.ts';
import { EventLoop } from './event-loop.ts';
import { io } from './io.ts';
import { NetError } from './net-error.ts';
import { handshake, tcpPair, tlsPair, turnUntil } from './test-support/loopback.ts';
import { TestAuthority } from './test-support/test-certificates.ts';
import type { TlsContext } from './tls.ts';

let clientTls: TlsContext;
let serverTls: TlsContext;

before(() => {
  const authority = new TestAuthority('root');
  const context = (id: string): TlsContext =>
    io.tlsContext({ ...authority.issueWorkload(id), rootsPem: authority.rootsPem });
  clientTls = context('spiffe://cluster.local/ns/a/sa/client');
  serverTls = context('spiffe://cluster.local/ns/b/sa/server');
});

type Pair = (loop: EventLoop) => [ByteChannel, ByteChannel];

function plainPair(loop: EventLoop): [ByteChannel, ByteChannel] {
  const [a, b] = tcpPair();
  return [socketChannel(loop, a), socketChannel(loop, b)];
}

function securePair(loop: EventLoop): [ByteChannel, ByteChannel] {
  const pair = tlsPair(clientTls, serverTls);
  handshake(loop, pair);
  const [a, b] = pair;
  for (const end of pair) loop.remove(end.fd);
  return [tlsChannel(loop, a.session, a.fd), tlsChannel(loop, b.session, b.fd)];
}

function probes(loop: EventLoop, pair: Pair): [ChannelProbe, ChannelProbe] {
  const [a, b] = pair(loop);
  return [new ChannelProbe(a), new ChannelProbe(b)];
}

/** Sends `bytes` in pieces, heeding `onWritable`, then ends. */
function pour(probe: ChannelProbe, bytes: Buffer, pieceBytes: number): void {
  let at = 0;
  const on = (): void => {
    while (at < bytes.length) {
      const piece = bytes.subarray(at, at + pieceBytes);
      at += piece.length;
      if (!probe.channel.write(piece, 0, piece.length)) return;
    }
    probe.channel.end();
  };
  probe.onWritableHook = on;
  on();
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

for (const [name, pair] of [
  ['a socket', plainPair],
  ['TLS', securePair],
] as const) {
  describe(`a channel over ${name}`, () => {
    for (const pieceBytes of [100, 5_000, 20_000, 3_000_000]) {
      // Small pieces cost time, not bytes.
      const size = Math.min(8_000_000, pieceBytes * 5_000);
      test(`carries ${size} bytes in pieces of ${pieceBytes} bytes both ways at once`, () => {
        using loop = new EventLoop();
        const [a, b] = probes(loop, pair);
        const up = randomBytes(size);
        const down = randomBytes(size);
        pour(a, up, pieceBytes);
        pour(b, down, pieceBytes);
        turnUntil(loop, () => a.isEnded && b.isEnded, 'transfer');
        assert.equal(sha(b.received), sha(up));
        assert.equal(sha(a.received), sha(down));
        assert.deepEqual([a.lost, b.lost], [undefined, undefined]);
        a.channel.close();
        b.channel.close();
      });
    }

    test('leaves the other direction open after an end', () => {
      using loop = new EventLoop();
      const [a, b] = probes(loop, pair);
      a.send('question');
      a.channel.end();
      turnUntil(loop, () => b.isEnded, 'half-close');
      assert.equal(b.received.toString(), 'question');
      assert.equal(a.isEnded, false);
      b.send('answer');
      b.channel.end();
      turnUntil(loop, () => a.isEnded, 'end');
      assert.equal(a.received.toString(), 'answer');
      b.channel.close();
      a.channel.close();
    });

    test('tells nothing while it is paused, and everything afterwards', () => {
      using loop = new EventLoop();
      const [a, b] = probes(loop, pair);
      b.channel.pause();
      pour(a, randomBytes(1_000_000), 50_000);
      for (let i = 0; i < 20; i++) loop.runOnce(5);
      assert.equal(b.receivedBytes, 0);
      b.onBytesHook = () => {
        b.channel.pause();
        loop.setTimer(0, { onTimer: () => b.channel.resume() });
      };
      b.channel.resume();
      turnUntil(loop, () => b.isEnded, 'the rest');
      assert.equal(b.receivedBytes, 1_000_000);
      for (const probe of [a, b]) probe.channel.close();
    });

    test('says stop to who writes to a peer that does not read, and goes on when it does', () => {
      using loop = new EventLoop();
      const [a, b] = probes(loop, pair);
      b.channel.pause();
      let sent = 0;
      const piece = Buffer.alloc(100_000, 7);
      turnUntil(
        loop,
        () => {
          if (!a.channel.write(piece, 0, piece.length)) return true;
          sent += piece.length;
          return false;
        },
        'stop',
      );
      sent += piece.length;
      assert.ok(a.channel.queuedBytes > 256 * 1024);
      assert.equal(a.writableCalls, 0);
      b.channel.resume();
      turnUntil(loop, () => a.writableCalls === 1 && b.receivedBytes === sent, 'all');
      assert.equal(a.channel.queuedBytes, 0);
      for (const probe of [a, b]) probe.channel.close();
    });

    test('close is a loss to the peer, and silence to its own user', () => {
      using loop = new EventLoop();
      const [a, b] = probes(loop, pair);
      a.send('x');
      loop.runOnce(0);
      a.channel.close();
      a.channel.close();
      assert.equal(a.send('nowhere'), true);
      turnUntil(loop, () => b.lost !== undefined, 'loss');
      assert.ok(b.lost instanceof NetError);
      assert.equal(b.lost.code, 'CHANNEL_LOST');
      assert.equal(b.lost.details['errno'], ECONNRESET);
      assert.deepEqual([a.lost, a.isEnded, b.isEnded], [undefined, false, false]);
      b.channel.close();
    });

    test('a loss after the peer had ended is told', () => {
      using loop = new EventLoop();
      const [a, b] = probes(loop, pair);
      a.channel.end();
      turnUntil(loop, () => b.isEnded, 'end');
      a.channel.close();
      turnUntil(
        loop,
        () => {
          b.send('y');
          return b.lost !== undefined;
        },
        'loss',
      );
      assert.equal(b.lost?.code, 'CHANNEL_LOST');
    });

    test('many small writes of a turn leave together', () => {
      using loop = new EventLoop();
      const [a, b] = probes(loop, pair);
      loop.runOnce(0);
      for (let i = 0; i < 100; i++) a.send('0123456789');
      turnUntil(loop, () => b.receivedBytes === 1000, 'bytes');
      assert.equal(b.chunks.length, 1);
      for (const probe of [a, b]) probe.channel.close();
    });
  });
}

test('what came before the peer gave up is read before the loss is told', () => {
  using loop = new EventLoop();
  const [client, server] = tcpPair();
  const probe = new ChannelProbe(socketChannel(loop, client));
  probe.channel.pause();
  probe.send('a request that is not read');
  loop.runOnce(0);
  io.write(server, Buffer.from('early answer'), 0, 12);
  io.close(server);
  for (let i = 0; i < 10 && probe.lost === undefined; i++) {
    probe.send('more');
    loop.runOnce(5);
  }
  assert.equal(probe.lost, undefined);
  probe.channel.resume();
  turnUntil(loop, () => probe.lost !== undefined, 'loss');
  assert.equal(probe.received.toString(), 'early answer');
});

test('after an end that has left, close does not cut what the peer has still to read', () => {
  using loop = new EventLoop();
  const [client, server] = tcpPair();
  const probe = new ChannelProbe(socketChannel(loop, client));
  probe.send('last words');
  probe.channel.end();
  loop.runOnce(0);
  probe.channel.close();
  const buffer = Buffer.alloc(100);
  let got = -EAGAIN;
  turnUntil(loop, () => (got = io.read(server, buffer, 0, 100)) !== -EAGAIN, 'bytes');
  assert.equal(buffer.toString('latin1', 0, got), 'last words');
  assert.equal(io.read(server, buffer, 0, 100), 0);
  io.close(server);
});

test('attaching twice is an error of the program', () => {
  using loop = new EventLoop();
  const [a, b] = probes(loop, plainPair);
  assert.throws(() => a.channel.attach(a), { code: 'BAD_ARGUMENT' });
  for (const probe of [a, b]) probe.channel.close();
});

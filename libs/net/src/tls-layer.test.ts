import assert from 'node:assert/strict';
import { X509Certificate, createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { ChannelProbe, makeTestCa } from '@ambit/testing';
import type { ByteChannel } from './byte-channel.ts';
import { socketChannel } from './descriptor-channel.ts';
import { EPOLLIN } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io } from './io.ts';
import { NetError } from './net-error.ts';
import { tcpPair, turnUntil } from './test-support/loopback.ts';
import { secureChannel, type TlsLayerUser } from './tls-layer.ts';
import type { EdgeTlsOptions, TlsSession } from './tls.ts';

const ca = makeTestCa();
const serverLeaf = ca.issue(undefined, { dnsNames: ['shop.example.com'] });
const certificate = { chainPem: serverLeaf.certificateChainPem, keyPem: serverLeaf.privateKeyPem };
const clientLeaf = ca.issue('spiffe://cluster.local/ns/a/sa/client');
const ownCertificate = { chainPem: clientLeaf.certificateChainPem, keyPem: clientLeaf.privateKeyPem };

/** How one end came out of its handshake. */
class Outcome implements TlsLayerUser {
  channel: ByteChannel | undefined;
  session: TlsSession | undefined;
  failure: string | undefined;

  onSecured(channel: ByteChannel, session: TlsSession): void {
    this.channel = channel;
    this.session = session;
  }

  onSecureFailed(reason: string): void {
    this.failure = reason;
  }

  get isOver(): boolean {
    return this.channel !== undefined || this.failure !== undefined;
  }
}

function shake(
  loop: EventLoop,
  client: Partial<EdgeTlsOptions>,
  server: Partial<EdgeTlsOptions> = {},
): [Outcome, Outcome] {
  const alpn = ['h2', 'http/1.1'];
  const [a, b] = tcpPair();
  const near = new Outcome();
  const far = new Outcome();
  const clientContext = io.edgeTlsContext({ alpn, rootsPem: ca.rootsPem, ...client }, 'client');
  const serverContext = io.edgeTlsContext({ alpn, certificate, ...server }, 'server');
  const common = { timeoutMs: 5000 };
  const named = { ...common, serverName: 'shop.example.com' };
  secureChannel(loop, socketChannel(loop, a), { context: clientContext, role: 'client', ...named }, near);
  secureChannel(loop, socketChannel(loop, b), { context: serverContext, role: 'server', ...common }, far);
  turnUntil(loop, () => near.isOver && far.isOver, 'handshakes');
  return [near, far];
}

function secured(outcome: Outcome): ChannelProbe {
  assert.ok(outcome.channel !== undefined, outcome.failure ?? '');
  return new ChannelProbe(outcome.channel);
}

function pour(probe: ChannelProbe, bytes: Buffer): void {
  let at = 0;
  const on = (): void => {
    while (at < bytes.length) {
      const length = Math.min(40_000, bytes.length - at);
      at += length;
      if (!probe.channel.write(bytes, at - length, length)) return;
    }
    probe.channel.end();
  };
  probe.onWritableHook = on;
  on();
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('TLS over a channel', () => {
  for (const minVersion of ['1.2', '1.3'] as const) {
    test(`carries 6 MB both ways at once with at least TLS ${minVersion}, and both ends`, () => {
      using loop = new EventLoop();
      const [near, far] = shake(loop, {}, { minVersion });
      assert.ok(near.session !== undefined && far.session !== undefined);
      assert.equal(io.tlsDescribe(near.session).alpn, 'h2');
      assert.equal(io.tlsDescribe(near.session).version, 'TLSv1.3');
      const leaf = new X509Certificate(io.tlsPeerCertificate(near.session));
      assert.equal(leaf.checkHost('shop.example.com'), 'shop.example.com');
      const [a, b] = [secured(near), secured(far)];
      const up = randomBytes(6_000_000);
      const down = randomBytes(6_000_000);
      pour(a, up);
      pour(b, down);
      turnUntil(loop, () => a.isEnded && b.isEnded, 'transfer');
      assert.equal(sha(b.received), sha(up));
      assert.equal(sha(a.received), sha(down));
      assert.deepEqual([a.lost, b.lost], [undefined, undefined]);
    });
  }

  test('a paused reader stops the writer; nothing is lost', () => {
    using loop = new EventLoop();
    const [a, b] = shake(loop, {}).map(secured);
    assert.ok(a !== undefined && b !== undefined);
    b.channel.pause();
    const bytes = randomBytes(20_000_000);
    pour(a, bytes);
    for (let i = 0; i < 30; i++) loop.runOnce(2);
    assert.equal(b.receivedBytes, 0);
    b.onBytesHook = () => {
      if (b.receivedBytes % 7 !== 0) return;
      b.channel.pause();
      loop.setTimer(0, { onTimer: () => b.channel.resume() });
    };
    b.channel.resume();
    turnUntil(loop, () => b.isEnded, 'the rest');
    assert.equal(sha(b.received), sha(bytes));
    for (const probe of [a, b]) probe.channel.close();
  });

  test('a server that proves nothing is refused, unless that was asked for', () => {
    using loop = new EventLoop();
    const stranger = makeTestCa();
    const [near, far] = shake(loop, { rootsPem: stranger.rootsPem });
    assert.match(near.failure ?? '', /certificate verify failed/);
    assert.ok(far.failure !== undefined || far.channel !== undefined);
    const [other] = shake(loop, { rootsPem: '', skipsVerification: true });
    assert.equal(other.failure, undefined);
    other.channel?.close();
    far.channel?.close();
  });

  test('an optional client certificate is told from a proven one', () => {
    using loop = new EventLoop();
    const stranger = makeTestCa().issue('spiffe://cluster.local/ns/a/sa/client');
    const strange = { chainPem: stranger.certificateChainPem, keyPem: stranger.privateKeyPem };
    const server = { clientCertificate: 'optional', rootsPem: ca.rootsPem } as const;
    for (const [client, isVerified] of [
      [{}, 0],
      [{ certificate: strange }, 0],
      [{ certificate: ownCertificate }, 1],
    ] as const) {
      const [near, far] = shake(loop, client, server);
      assert.ok(far.session !== undefined, far.failure ?? '');
      assert.equal(io.tlsVerified(far.session), isVerified);
      near.channel?.close();
      far.channel?.close();
    }
  });

  test('a required client certificate is required', () => {
    using loop = new EventLoop();
    const server = { clientCertificate: 'required', rootsPem: ca.rootsPem } as const;
    const [near, far] = shake(loop, {}, server);
    assert.match(far.failure ?? '', /certificate/);
    near.channel?.close();
    const [good, met] = shake(loop, { certificate: ownCertificate }, server);
    assert.equal(met.failure, undefined);
    good.channel?.close();
    met.channel?.close();
  });

  test('what is not TLS fails the handshake', () => {
    using loop = new EventLoop();
    const [client, server] = tcpPair();
    const context = io.edgeTlsContext({ alpn: [], rootsPem: ca.rootsPem }, 'client');
    const outcome = new Outcome();
    secureChannel(loop, socketChannel(loop, client), { context, role: 'client', timeoutMs: 5000 }, outcome);
    io.write(server, Buffer.from('not TLS at all'), 0, 14);
    turnUntil(loop, () => outcome.isOver, 'failure');
    assert.ok(outcome.failure !== undefined);
    io.close(server);
  });

  test('a peer that goes without close_notify has not ended', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    const [near, far] = [new Outcome(), new Outcome()];
    const common = { timeoutMs: 5000 };
    const serverContext = io.edgeTlsContext({ alpn: [], certificate }, 'server');
    const context = io.edgeTlsContext({ alpn: [], rootsPem: ca.rootsPem }, 'client');
    const below = socketChannel(loop, b);
    secureChannel(loop, socketChannel(loop, a), { context, role: 'client', ...common }, near);
    secureChannel(loop, below, { context: serverContext, role: 'server', ...common }, far);
    turnUntil(loop, () => near.isOver && far.isOver, 'handshakes');
    const probe = secured(near);
    below.end();
    turnUntil(loop, () => probe.lost !== undefined, 'loss');
    assert.equal(probe.isEnded, false);
    far.channel?.close();
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`a client of OpenSSL with ${maxVersion} is served, unless 1.3 is asked for`, async () => {
      for (const minVersion of ['1.2', '1.3'] as const) {
        using loop = new EventLoop();
        const listener = io.tcpListen({ address: '127.0.0.1', port: 0 });
        const context = io.edgeTlsContext({ alpn: ['http/1.1'], certificate, minVersion }, 'server');
        const outcome = new Outcome();
        loop.add(listener, EPOLLIN, {
          onEvents: () => {
            const below = socketChannel(loop, io.accept(listener));
            secureChannel(loop, below, { context, role: 'server', timeoutMs: 5000 }, outcome);
          },
        });
        const { port } = io.localAddress(listener);
        const client = tlsConnect({
          port,
          host: '127.0.0.1',
          ca: ca.rootsPem,
          servername: 'shop.example.com',
          maxVersion,
        });
        let text = '';
        let failure = '';
        client.on('error', (error) => (failure = error.message));
        client.on('secureConnect', () => client.end('hello'));
        client.on('data', (data) => (text += data.toString()));
        let probe: ChannelProbe | undefined;
        const deadline = performance.now() + 10_000;
        while (text !== 'HELLO' && failure === '' && outcome.failure === undefined) {
          assert.ok(performance.now() < deadline, 'in time');
          loop.runOnce(1);
          await nextTurn();
          if (probe === undefined && outcome.channel !== undefined) {
            probe = secured(outcome);
            probe.onBytesHook = (bytes) => probe?.send(bytes.toString().toUpperCase());
            probe.onEndHook = () => probe?.channel.end();
          }
        }
        assert.equal(text === 'HELLO', maxVersion === 'TLSv1.3' || minVersion === '1.2');
        client.destroy();
        outcome.channel?.close();
        loop.close(listener);
      }
    });
  }

  test('a handshake has its time', () => {
    using loop = new EventLoop();
    const [client, server] = tcpPair();
    const context = io.edgeTlsContext({ alpn: ['h2'], skipsVerification: true }, 'client');
    const outcome = new Outcome();
    secureChannel(loop, socketChannel(loop, client), { context, role: 'client', timeoutMs: 30 }, outcome);
    turnUntil(loop, () => outcome.isOver, 'time');
    assert.equal(outcome.failure, 'timed out');
    io.close(server);
  });

  test('roots that are missing are an error, not a permission', () => {
    assert.throws(() => io.edgeTlsContext({ alpn: [] }, 'client'), NetError);
    assert.throws(
      () => io.edgeTlsContext({ alpn: [], certificate, clientCertificate: 'required' }, 'server'),
      NetError,
    );
    assert.throws(() => io.edgeTlsContext({ alpn: [] }, 'server'), NetError);
  });
});

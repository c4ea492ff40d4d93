/** Suites of TLS 1.2 that a server is told to take, with OpenSSL's own client at the other end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { makeTestCa } from '@ambit/testing';
import type { ByteChannel } from './byte-channel.ts';
import { socketChannel } from './descriptor-channel.ts';
import { EPOLLIN } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io } from './io.ts';
import { NetError } from './net-error.ts';
import { secureChannel } from './tls-layer.ts';

const ca = makeTestCa();
const { certificateChainPem: chainPem, privateKeyPem: keyPem } = ca.issue(undefined, {
  dnsNames: ['shop.example.com'],
});
const certificate = { chainPem, keyPem };
const [aes128, aes256] = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'] as const;

/** The suite that both ends agree on; empty if they do not. */
async function agreed(
  oldCipherSuites: readonly string[],
  ciphers: string,
  maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.2',
): Promise<string> {
  using loop = new EventLoop();
  let served: ByteChannel | undefined;
  const listener = io.tcpListen({ address: '127.0.0.1', port: 0 });
  const context = io.edgeTlsContext({ alpn: [], certificate, oldCipherSuites }, 'server');
  loop.add(listener, EPOLLIN, {
    onEvents: () =>
      secureChannel(
        loop,
        socketChannel(loop, io.accept(listener)),
        { context, role: 'server', timeoutMs: 5000 },
        { onSecured: (channel) => (served = channel), onSecureFailed: () => {} },
      ),
  });
  const client = tlsConnect({
    host: '127.0.0.1',
    port: io.localAddress(listener).port,
    ca: ca.rootsPem,
    servername: 'shop.example.com',
    ciphers,
    maxVersion,
  });
  let suite: string | undefined;
  client.on('error', ({ message }) => (suite ??= /handshake failure/.test(message) ? '' : message));
  client.on('secureConnect', () => (suite = client.getCipher().name));
  const deadline = performance.now() + 10_000;
  while (suite === undefined) {
    assert.ok(performance.now() < deadline, 'in time');
    loop.runOnce(1);
    await nextTurn();
  }
  client.destroy();
  served?.close();
  loop.close(listener);
  return suite;
}

test('the listed suites alone are taken, the server by its own order', async () => {
  assert.equal(await agreed([aes128], `${aes256}:${aes128}`), aes128);
  assert.equal(await agreed([aes128], aes256), '', 'nothing in common');
  assert.equal(await agreed([aes256, aes128], `${aes128}:${aes256}`), aes256);
});

test('without a list all with forward secrecy and AEAD are taken, and no others', async () => {
  assert.equal(await agreed([], aes256), aes256);
  assert.equal(await agreed([], 'ECDHE-ECDSA-AES128-SHA'), '');
});

test('TLS 1.3 has suites of its own', async () => {
  const both = `TLS_AES_256_GCM_SHA384:${aes256}`;
  assert.equal(await agreed([aes128], both, 'TLSv1.3'), 'TLS_AES_256_GCM_SHA384');
});

test('a list without a suite that is known is an error, not all of them', () => {
  assert.throws(() => io.edgeTlsContext({ alpn: [], certificate, oldCipherSuites: ['no-such'] }, 'server'), NetError);
});

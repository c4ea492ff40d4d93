import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io, type Fd } from './io.ts';
import { TestAuthority } from './test-support/test-certificates.ts';
import { TLS_WANT_READ, TLS_WANT_WRITE, type TlsContext, type TlsSession } from './tls.ts';

const clientId = 'spiffe://cluster.local/ns/a/sa/client';
const serverId = 'spiffe://cluster.local/ns/b/sa/server';

/** A connected pair on loopback. */
function tcpPair(): [Fd, Fd] {
  const listener = io.tcpListen({ address: '127.0.0.1', port: 0 });
  const client = io.tcpConnect({
    ...io.localAddress(listener),
    keepalive: { idleSec: 180, intervalSec: 180, probes: 9 },
  });
  using loop = new EventLoop();
  let server = -1;
  loop.add(listener, EPOLLIN, { onEvents: () => (server = io.accept(listener)) });
  while (server < 0) loop.runOnce(100);
  io.close(listener);
  return [client, server];
}

/** Handshakes both until neither wants more; the results. */
function handshake(loop: EventLoop, sides: readonly [TlsSession, Fd][]): number[] {
  const results = sides.map(() => TLS_WANT_READ);
  const step = (i: number) => {
    const [session, fd] = sides[i]!;
    if (results[i] !== TLS_WANT_READ && results[i] !== TLS_WANT_WRITE) return;
    results[i] = io.tlsHandshake(session);
    loop.modify(fd, results[i] === TLS_WANT_WRITE ? EPOLLOUT : results[i] === TLS_WANT_READ ? EPOLLIN : 0);
  };
  for (const [i, [, fd]] of sides.entries()) loop.add(fd, EPOLLIN, { onEvents: () => step(i) });
  for (const i of sides.keys()) step(i);
  const deadline = performance.now() + 5000;
  while (results.some((r) => r === TLS_WANT_READ || r === TLS_WANT_WRITE)) {
    assert.ok(performance.now() < deadline, `handshake stuck: ${results.join()}`);
    loop.runOnce(100);
  }
  for (const [, fd] of sides) loop.remove(fd);
  return results;
}

describe('a TLS pair', () => {
  let client: TlsContext;
  let server: TlsContext;
  before(() => {
    const ca = new TestAuthority('root');
    client = io.tlsContext({ ...ca.issueWorkload(clientId), rootsPem: ca.rootsPem });
    server = io.tlsContext({ ...ca.issueWorkload(serverId), rootsPem: ca.rootsPem });
  });

  test('agrees on TLS 1.3, h2 and X25519, and tells the names of both leaves', () => {
    using loop = new EventLoop();
    const [a, b] = tcpPair();
    const sa = io.tlsSession(client, a, 'client');
    const sb = io.tlsSession(server, b, 'server');
    assert.deepEqual(
      handshake(loop, [
        [sa, a],
        [sb, b],
      ]),
      [0, 0],
    );
    assert.deepEqual(io.tlsDescribe(sa), {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      group: 'x25519',
      alpn: 'h2',
    });
    assert.deepEqual(io.tlsPeerUriSans(sa), [serverId]);
    assert.deepEqual(io.tlsPeerUriSans(sb), [clientId]);
    io.tlsFree(sa);
    io.tlsFree(sb);
    io.close(a);
    io.close(b);
  });
  after(() => {});
});

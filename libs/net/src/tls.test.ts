import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { EBADF, EINVAL } from './errno.ts';
import { EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import { EventLoop } from './event-loop.ts';
import { io } from './io.ts';
import { NetError } from './net-error.ts';
import { handshake, type TlsEnd, tlsPair, turnUntil } from './test-support/loopback.ts';
import { TestAuthority, type TestCertificate } from './test-support/test-certificates.ts';
import { TLS_FAILED, TLS_WANT_READ, TLS_WANT_WRITE, type TlsContext, type TlsSession } from './tls.ts';

const clientId = 'spiffe://cluster.local/ns/a/sa/client';
const serverId = 'spiffe://cluster.local/ns/b/sa/server';
let authority: TestAuthority;
let clientCertificate: TestCertificate;
let client: TlsContext;
let server: TlsContext;

before(() => {
  authority = new TestAuthority('root');
  clientCertificate = authority.issueWorkload(clientId);
  client = contextOf(clientCertificate);
  server = contextOf(authority.issueWorkload(serverId));
});

function contextOf(certificate: TestCertificate, rootsPem = authority.rootsPem): TlsContext {
  return io.tlsContext({ ...certificate, rootsPem });
}

/** Both ends connected and shaken hands. */
function connectedPair(loop: EventLoop): [TlsEnd, TlsEnd] {
  const pair = tlsPair(client, server);
  assert.deepEqual(handshake(loop, pair), [
    [0, ''],
    [0, ''],
  ]);
  return pair;
}

/** Reads until the result is not TLS_WANT_READ. */
function readSoon(loop: EventLoop, end: TlsEnd, buffer: Uint8Array): number {
  let result = io.tlsRead(end.session, buffer, 0, buffer.length);
  loop.add(end.fd, EPOLLIN, { onEvents: () => (result = io.tlsRead(end.session, buffer, 0, buffer.length)) });
  turnUntil(loop, () => result !== TLS_WANT_READ, 'read');
  loop.remove(end.fd);
  return result;
}

describe('a TLS handshake', () => {
  test('agrees on TLS 1.3, AES-256, X25519 and h2, and tells the names of both leaves', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    const agreed = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', group: 'x25519', alpn: 'h2' };
    assert.deepEqual(io.tlsDescribe(a.session), agreed);
    assert.deepEqual(io.tlsDescribe(b.session), agreed);
    assert.deepEqual(io.tlsPeerUriSans(a.session), [serverId]);
    assert.deepEqual(io.tlsPeerUriSans(b.session), [clientId]);
    const leaf = new X509Certificate(io.tlsPeerCertificate(b.session));
    assert.equal(leaf.fingerprint256, new X509Certificate(clientCertificate.certificateChainPem).fingerprint256);
  });

  test('fails at both ends when the client does not know the root of the server', () => {
    using loop = new EventLoop();
    const stranger = contextOf(clientCertificate, new TestAuthority('other').rootsPem);
    const [a, b] = tlsPair(stranger, server);
    using _a = a;
    using _b = b;
    const [[clientResult, clientError], [serverResult, serverError]] = handshake(loop, [a, b]) as [
      [number, string],
      [number, string],
    ];
    assert.deepEqual([clientResult, serverResult], [TLS_FAILED, TLS_FAILED]);
    assert.match(clientError, /^tls handshake error: certificate verify failed: unable to get/);
    assert.match(serverError, /^tls handshake error: .*alert unknown ca/);
  });

  test('refuses a client whose certificate is for servers only', () => {
    using loop = new EventLoop();
    const wrongPurpose = contextOf(authority.issue([`subjectAltName=URI:${clientId}`, 'extendedKeyUsage=serverAuth']));
    const [a, b] = tlsPair(wrongPurpose, server);
    using _a = a;
    using _b = b;
    const results = handshake(loop, [a, b]);
    assert.match(results[1]![1], /certificate verify failed: unsuitable certificate purpose/);
  });

  test('accepts a leaf without extended key usage, as the peers do', () => {
    using loop = new EventLoop();
    const plain = contextOf(authority.issue([`subjectAltName=URI:${clientId}`]));
    const [a, b] = tlsPair(plain, server);
    using _a = a;
    using _b = b;
    assert.deepEqual(handshake(loop, [a, b]), [
      [0, ''],
      [0, ''],
    ]);
  });

  test('tells all URI names in order and no other names', () => {
    using loop = new EventLoop();
    const many = contextOf(
      authority.issue(['subjectAltName=DNS:a.example,URI:spiffe://x/ns/1/sa/1,IP:10.0.0.1,URI:urn:two']),
    );
    const [a, b] = tlsPair(many, server);
    using _a = a;
    using _b = b;
    handshake(loop, [a, b]);
    assert.deepEqual(io.tlsPeerUriSans(b.session), ['spiffe://x/ns/1/sa/1', 'urn:two']);
  });

  test('ends with an error when the peer closes in the middle', () => {
    using loop = new EventLoop();
    const [a, b] = tlsPair(client, server);
    using _a = a;
    io.tlsFree(b.session);
    io.close(b.fd);
    const [[result, error]] = handshake(loop, [a]) as [[number, string]];
    assert.ok(result < 0);
    assert.match(error, /^tls handshake error: (peer closed the connection|Connection reset by peer)/);
  });

  test('answers plain text with an error and not with a crash', () => {
    using loop = new EventLoop();
    const [a, b] = tlsPair(client, server);
    using _a = a;
    using _b = b;
    io.write(a.fd, Buffer.from('GET / HTTP/1.1\r\n\r\n'), 0, 18);
    const [[result, error]] = handshake(loop, [b]) as [[number, string]];
    assert.equal(result, TLS_FAILED);
    assert.match(error, /^tls handshake error: /);
  });
});

describe('TLS data', () => {
  test('arrives whole and in order in both directions at once, through full socket buffers', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    const sent = Buffer.alloc(
      3 << 20,
      Uint8Array.from({ length: 251 }, (_, i) => i),
    );
    const pumps = [a, b].map((end) => new Pump(loop, end, sent));
    turnUntil(loop, () => pumps.every((p) => p.received === sent.length && p.unsent === 0), 'bulk');
    for (const pump of pumps) assert.ok(pump.target.equals(sent));
  });

  test('can be read to the end after the peer said close_notify, and still be written the other way', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    const buffer = Buffer.alloc(100);
    assert.equal(io.tlsWrite(a.session, Buffer.from('last words'), 0, 10), 10);
    assert.equal(io.tlsShutdown(a.session), 0);
    assert.equal(readSoon(loop, b, buffer), 10);
    assert.equal(readSoon(loop, b, buffer), 0);
    assert.equal(io.tlsWrite(b.session, Buffer.from('answer'), 0, 6), 6);
    assert.equal(io.tlsFlush(b.session), 0);
    assert.equal(readSoon(loop, a, buffer), 6);
    assert.equal(buffer.toString('latin1', 0, 6), 'answer');
  });

  test('that waits inside the session is told by tlsPending, as epoll does not see it', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    io.tlsWrite(a.session, Buffer.from('abc'), 0, 3);
    io.tlsFlush(a.session);
    const buffer = Buffer.alloc(3);
    assert.equal(io.tlsPending(b.session), 0);
    while (io.tlsRead(b.session, buffer, 0, 1) !== 1) loop.runOnce(0);
    assert.equal(io.tlsPending(b.session), 1);
    assert.equal(io.tlsRead(b.session, buffer, 1, 2), 2);
    assert.equal(io.tlsPending(b.session), 0);
    assert.equal(buffer.toString('latin1'), 'abc');
  });

  test('cut off without close_notify is a failure, told apart from its end', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _b = b;
    io.tlsFree(a.session);
    io.close(a.fd);
    assert.equal(readSoon(loop, b, Buffer.alloc(10)), TLS_FAILED);
    assert.match(io.tlsError(), /^tls read error: peer closed the connection without close_notify/);
  });

  test('waits in the session until flushed', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    assert.equal(io.tlsWrite(a.session, Buffer.from('x'), 0, 1), 1);
    assert.equal(io.tlsRead(b.session, Buffer.alloc(1), 0, 1), TLS_WANT_READ);
    assert.equal(io.tlsFlush(a.session), 0);
    assert.equal(readSoon(loop, b, Buffer.alloc(1)), 1);
  });

  test('is refused when its span lies outside the buffer', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    const buffer = new Uint8Array(8);
    for (const [offset, length] of [
      [0, 9],
      [8, 1],
      [-1, 1],
      [1, -1],
      [2 ** 31, 1],
    ] as const) {
      assert.equal(io.tlsWrite(a.session, buffer, offset, length), -EINVAL);
      assert.equal(io.tlsRead(a.session, buffer, offset, length), -EINVAL);
    }
  });
});

describe('a TLS session', () => {
  test('over bytes shakes hands and carries data without a socket', () => {
    const a = io.tlsMemorySession(client, 'client');
    const b = io.tlsMemorySession(server, 'server');
    const results = new Map<TlsSession, number>([
      [a, TLS_WANT_READ],
      [b, TLS_WANT_READ],
    ]);
    while ([...results.values()].some((r) => r !== 0)) {
      for (const [session, peer] of [
        [a, b],
        [b, a],
      ] as const) {
        if (results.get(session) !== 0) results.set(session, io.tlsHandshake(session));
        assert.notEqual(carry(session, peer) + (results.get(session) === 0 ? 1 : 0), 0, 'no progress');
      }
    }
    assert.equal(io.tlsWrite(a, Buffer.from('inner'), 0, 5), 5);
    carry(a, b);
    const buffer = Buffer.alloc(10);
    assert.equal(io.tlsRead(b, buffer, 0, 10), 5);
    assert.equal(buffer.toString('latin1', 0, 5), 'inner');
    assert.equal(io.tlsRead(b, buffer, 0, 10), TLS_WANT_READ);
    io.tlsFeed(b, buffer, 0, 0);
    assert.equal(io.tlsRead(b, buffer, 0, 10), TLS_FAILED);
    for (const session of [a, b]) assert.equal(io.tlsFree(session), 0);
  });

  test('survives whatever a peer sends: it goes on waiting or fails, before and after the handshake', () => {
    const noise = fc.record({ at: fc.nat(3000), bytes: fc.uint8Array({ maxLength: 40 }), cut: fc.boolean() });
    fc.assert(
      fc.property(noise, ({ at, bytes, cut }) => {
        const a = io.tlsMemorySession(client, 'client');
        const b = io.tlsMemorySession(server, 'server');
        const flight = new Uint8Array(1 << 16);
        let seen = 0;
        for (let round = 0; round < 4; round++) {
          for (const [from, to] of [
            [a, b],
            [b, a],
          ] as const) {
            if (io.tlsHandshake(from) === 0) io.tlsWrite(from, bytes, 0, bytes.length);
            const length = io.tlsDrain(from, flight, 0, flight.length);
            if (seen <= at && at < seen + length) flight.set(bytes.subarray(0, length - (at - seen)), at - seen);
            seen += length;
            io.tlsFeed(to, flight, 0, length);
            if (cut && seen > at) io.tlsFeed(to, flight, 0, 0);
            const n = io.tlsRead(to, new Uint8Array(100), 0, 100);
            assert.ok(n <= 100 && (n >= 0 || n === TLS_WANT_READ || n === TLS_FAILED), String(n));
          }
        }
        for (const session of [a, b]) assert.equal(io.tlsFree(session), 0);
      }),
      { numRuns: 300 },
    );
  });

  test('that was freed is not found by its old number, also when its place is used again', () => {
    const first = io.tlsMemorySession(client, 'client');
    io.tlsFree(first);
    const second = io.tlsMemorySession(client, 'client');
    assert.notEqual(first, second);
    assert.equal(io.tlsFree(first), -EBADF);
    assert.equal(io.tlsRead(first, new Uint8Array(1), 0, 1), -EBADF);
    assert.equal(io.tlsFree(second), 0);
  });

  test('takes no more than its block while the transport is full', () => {
    using loop = new EventLoop();
    const [a, b] = connectedPair(loop);
    using _a = a;
    using _b = b;
    const chunk = new Uint8Array(1 << 20);
    let total = 0;
    for (let n = 0; n !== TLS_WANT_WRITE; total += Math.max(n, 0)) {
      n = io.tlsWrite(a.session, chunk, 0, chunk.length);
      assert.ok(n > 0 || n === TLS_WANT_WRITE);
      assert.ok(total < 64 << 20, 'never full');
    }
    const left = io.tlsFlush(a.session);
    assert.ok(left > 200 * 1024 && left < 300 * 1024, `${left} bytes wait`);
  });
});

describe('a TLS context', () => {
  const cases: [string, (good: TestCertificate) => Parameters<typeof io.tlsContext>[0], RegExp][] = [
    [
      'another key',
      (good) => ({
        ...good,
        privateKeyPem: authority.issueWorkload('spiffe://x/ns/a/sa/b').privateKeyPem,
        rootsPem: authority.rootsPem,
      }),
      /private key: .*mismatch/,
    ],
    [
      'no certificate',
      (good) => ({ ...good, certificateChainPem: '', rootsPem: authority.rootsPem }),
      /certificate chain/,
    ],
    [
      'a broken certificate',
      (good) => ({
        ...good,
        certificateChainPem: good.certificateChainPem.slice(0, 200),
        rootsPem: authority.rootsPem,
      }),
      /certificate chain/,
    ],
    ['no roots', (good) => ({ ...good, rootsPem: '' }), /root certificates/],
    [
      'an unknown cipher suite',
      (good) => ({ ...good, rootsPem: authority.rootsPem, cipherSuites: 'TLS_NONE' }),
      /tls parameters/,
    ],
    [
      'an unknown group',
      (good) => ({ ...good, rootsPem: authority.rootsPem, groups: 'X25519:P-nothing' }),
      /tls parameters/,
    ],
  ];
  for (const [name, options, reason] of cases) {
    test(`is refused with ${name}`, () => {
      assert.throws(
        () => io.tlsContext(options(clientCertificate)),
        (error) => error instanceof NetError && error.code === 'TLS_CONTEXT' && reason.test(error.message),
      );
    });
  }
});

/** Moves what one session without a socket wants to send to another; how many bytes. */
function carry(from: TlsSession, to: TlsSession): number {
  const buffer = new Uint8Array(1 << 16);
  const n = io.tlsDrain(from, buffer, 0, buffer.length);
  if (n > 0) assert.equal(io.tlsFeed(to, buffer, 0, n), n);
  return n;
}

/** Sends a buffer and receives one of the same size. */
class Pump {
  readonly target: Buffer;
  received = 0;
  unsent: number;
  readonly #end: TlsEnd;
  readonly #source: Uint8Array;

  constructor(loop: EventLoop, end: TlsEnd, source: Uint8Array) {
    this.#end = end;
    this.#source = source;
    this.unsent = source.length;
    this.target = Buffer.alloc(source.length);
    loop.add(end.fd, EPOLLIN | EPOLLOUT, this);
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#send();
    if ((events & EPOLLIN) !== 0) this.#receive();
  }

  #receive(): void {
    for (;;) {
      const room = Math.min(this.target.length - this.received, 10_000);
      const n = room === 0 ? TLS_WANT_READ : io.tlsRead(this.#end.session, this.target, this.received, room);
      if (n === TLS_WANT_READ) return;
      assert.ok(n > 0, io.tlsError());
      this.received += n;
    }
  }

  #send(): void {
    const n = io.tlsWrite(this.#end.session, this.#source, this.#source.length - this.unsent, this.unsent);
    if (n > 0) this.unsent -= n;
    io.tlsFlush(this.#end.session);
  }
}

/** Who is refused by revocation lists: sessions of both roles over plain bytes, lists made by the openssl command. */
import assert from 'node:assert/strict';
import { afterEach, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { io } from './io.ts';
import { NetError } from './net-error.ts';
import { TestAuthority, type TestCertificate } from './test-support/test-certificates.ts';
import { type TlsContext, type TlsSession, TLS_WANT_READ, TLS_WANT_WRITE } from './tls.ts';

const none = Buffer.alloc(0);
let root: TestAuthority;
let middle: TestAuthority;
let good: TestCertificate;
let bad: TestCertificate;

before(() => {
  root = new TestAuthority('root');
  middle = root.intermediate('middle');
  good = middle.issueWorkload('spiffe://cluster.local/ns/a/sa/good');
  bad = middle.issueWorkload('spiffe://cluster.local/ns/a/sa/bad');
});

afterEach(() => void io.tlsRevocations(none));

function context(certificate: TestCertificate, checksRevocation = true): TlsContext {
  return io.tlsContext({ ...certificate, rootsPem: root.rootsPem, checksRevocation });
}

/** Two sessions, driven by hand. */
class Pair implements Disposable {
  readonly client: TlsSession;
  readonly server: TlsSession;
  readonly #bytes: Buffer = Buffer.alloc(65_536);

  constructor(client: TlsContext, server: TlsContext) {
    this.client = io.tlsMemorySession(client, 'client');
    this.server = io.tlsMemorySession(server, 'server');
  }

  /** One step of one side; its answer is with the other side then. */
  step(from: TlsSession): number {
    const result = io.tlsHandshake(from);
    const length = io.tlsDrain(from, this.#bytes, 0, this.#bytes.length);
    if (length > 0) io.tlsFeed(from === this.client ? this.server : this.client, this.#bytes, 0, length);
    return result;
  }

  /** Why the handshake fails; undefined when it does not. */
  failure(): string | undefined {
    for (let round = 0; round < 4; round += 1)
      for (const side of [this.client, this.server]) {
        const result = this.step(side);
        if (result !== 0 && result !== TLS_WANT_READ && result !== TLS_WANT_WRITE)
          return `${this.#name(side)}: ${io.tlsError()}`;
      }
    return undefined;
  }

  #name(side: TlsSession): string {
    return side === this.client ? 'client' : 'server';
  }

  [Symbol.dispose](): void {
    io.tlsFree(this.client);
    io.tlsFree(this.server);
  }
}

function failure(client: TlsContext, server: TlsContext): string | undefined {
  using pair = new Pair(client, server);
  return pair.failure();
}

const REVOKED = 'tls handshake error: certificate verify failed: certificate revoked';

describe('revocation lists', () => {
  test('refuse a revoked peer in both roles and nobody else', () => {
    const [ours, revoked] = [context(good), context(bad)];
    assert.equal(failure(revoked, ours), undefined, 'nothing is revoked yet');
    assert.equal(io.tlsRevocations(Buffer.from(middle.revoke([bad]))), 1);
    assert.equal(failure(revoked, ours), `server: ${REVOKED}`);
    assert.equal(failure(ours, revoked), `client: ${REVOKED}`);
    assert.equal(failure(ours, ours), undefined);
    io.tlsRevocations(none);
    assert.equal(failure(revoked, ours), undefined, 'the list is gone again');
  });

  test('are not looked at by a context that does not ask for them', () => {
    io.tlsRevocations(Buffer.from(middle.revoke([bad])));
    assert.equal(failure(context(bad, false), context(good, false)), undefined);
  });

  test('refuse everybody below a revoked authority', () => {
    const intermediate = {
      ...good,
      certificateChainPem:
        /-----BEGIN[^]*?END CERTIFICATE-----\n(?<rest>[^]*)/.exec(good.certificateChainPem)?.groups?.['rest'] ?? '',
    };
    io.tlsRevocations(Buffer.from(root.revoke([intermediate]) + middle.revoke([])));
    assert.equal(failure(context(good), context(good)), `client: ${REVOKED}`);
  });

  test('count when they have expired, and say nothing of other issuers', () => {
    io.tlsRevocations(Buffer.from(middle.revoke([bad], true)));
    assert.equal(failure(context(bad), context(good)), `server: ${REVOKED}`);
    io.tlsRevocations(Buffer.from(new TestAuthority('other').revoke([bad])));
    assert.equal(failure(context(bad), context(good)), undefined);
  });

  test('let nobody in whom a forged list is about', () => {
    const forger = new TestAuthority('middle');
    io.tlsRevocations(Buffer.from(forger.revoke([])));
    assert.match(failure(context(bad), context(good)) ?? '', /CRL signature failure/);
  });

  test('tell of a session that began before them', () => {
    using pair = new Pair(context(bad), context(good));
    assert.equal(pair.failure(), undefined);
    assert.equal(io.tlsRevoked(pair.server), 0);
    io.tlsRevocations(Buffer.from(middle.revoke([bad])));
    assert.equal(io.tlsRevoked(pair.server), 1);
    assert.equal(io.tlsRevoked(pair.client), 0);
    io.tlsRevocations(Buffer.from(middle.revoke([good])));
    assert.equal(io.tlsRevoked(pair.server), 0);
    assert.equal(io.tlsRevoked(pair.client), 1);
  });

  test('hold a handshake to what came while it was under way', () => {
    using pair = new Pair(context(good), context(bad));
    pair.step(pair.client);
    pair.step(pair.server);
    // The client has not read the server's certificate; its own context is older than the list.
    io.tlsRevocations(Buffer.from(middle.revoke([bad])));
    assert.equal(pair.failure(), `client: ${REVOKED}`);
    assert.equal(io.tlsRevoked(pair.client), 1);

    io.tlsRevocations(none);
    using late = new Pair(context(bad), context(good));
    late.step(late.client);
    late.step(late.server);
    assert.ok([0, TLS_WANT_WRITE].includes(late.step(late.client)));
    io.tlsRevocations(Buffer.from(middle.revoke([bad])));
    assert.equal(late.failure(), `server: ${REVOKED}`);
  });

  test('hold TLS with programs outside the mesh to them, and take its word from an optional certificate', () => {
    const certificateOf = ({ certificateChainPem: chainPem, privateKeyPem: keyPem }: TestCertificate) => ({
      chainPem,
      keyPem,
    });
    const edge = (
      certificate: TestCertificate,
      role: 'client' | 'server',
      clientCertificate?: 'optional' | 'required',
    ) =>
      io.edgeTlsContext(
        {
          certificate: certificateOf(certificate),
          rootsPem: root.rootsPem,
          alpn: ['h2'],
          checksRevocation: true,
          ...(clientCertificate === undefined ? {} : { clientCertificate }),
        },
        role,
      );
    const verified = (client: TlsContext, server: TlsContext): number => {
      using pair = new Pair(client, server);
      assert.equal(pair.failure(), undefined);
      return io.tlsVerified(pair.server);
    };
    const asks = edge(good, 'server', 'optional');
    assert.equal(verified(edge(bad, 'client'), asks), 1, 'nothing is revoked yet');
    io.tlsRevocations(Buffer.from(middle.revoke([bad])));
    assert.equal(failure(edge(bad, 'client'), edge(good, 'server', 'required')), `server: ${REVOKED}`);
    assert.equal(failure(edge(good, 'client'), edge(bad, 'server')), `client: ${REVOKED}`);
    assert.equal(verified(edge(bad, 'client'), asks), 0);
    assert.equal(verified(edge(good, 'client'), asks), 1);
    const stranger = new TestAuthority('elsewhere').issueWorkload('spiffe://cluster.local/ns/a/sa/stranger');
    assert.equal(verified(edge(stranger, 'client'), asks), 0, 'nor does a list make anybody trusted');
  });

  test('are read as DER too, and a list that is none changes nothing', () => {
    const pem = middle.revoke([bad]);
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\n/g, ''), 'base64');
    assert.equal(io.tlsRevocations(der), 1);
    for (const text of [
      'rubbish',
      pem.replace('\nM', '\nA'),
      `${pem}-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n`,
    ])
      assert.throws(
        () => io.tlsRevocations(Buffer.from(text)),
        (error) => error instanceof NetError && error.code === 'BAD_REVOCATION_LIST' && error.message !== '',
      );
    assert.throws(() => io.tlsRevocations(Buffer.concat([der, Buffer.of(0)])), NetError);
    assert.equal(failure(context(bad), context(good)), `server: ${REVOKED}`);
    assert.equal(io.tlsRevocations(Buffer.from(good.certificateChainPem)), 0, 'blocks of other kinds are none');
  });

  test('survive any bytes', () => {
    const pem = Buffer.from(middle.revoke([bad]));
    fc.assert(
      fc.property(fc.nat(pem.length - 1), fc.uint8Array({ maxLength: 40 }), (at, noise) => {
        const bytes = Buffer.from(pem);
        bytes.set(noise.subarray(0, bytes.length - at), at);
        try {
          assert.ok(io.tlsRevocations(bytes) >= 0);
        } catch (error) {
          assert.ok(error instanceof NetError);
        }
      }),
    );
  });
});

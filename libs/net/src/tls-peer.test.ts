/** The TLS of the io layer against node:tls, whose use of OpenSSL is independent of ours: who is accepted, who is not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import { connect as connectTls, createServer, type ConnectionOptions, type TlsOptions, type TLSSocket } from 'node:tls';
import { EPOLLIN } from './epoll-events.ts';
import { io } from './io.ts';
import { checked } from './net-error.ts';
import { echoOverTls, type TlsResult } from './test-support/driven-tls.ts';
import { TestAuthority, type TestCertificate } from './test-support/test-certificates.ts';
import { type TlsContext } from './tls.ts';
import { watchFd } from './watch-fd.ts';

const ownId = 'spiffe://cluster.local/ns/a/sa/own';
const peerId = 'spiffe://cluster.local/ns/b/sa/peer';
let authority: TestAuthority;
let context: TlsContext;
let peer: TestCertificate;

before(() => {
  authority = new TestAuthority('root');
  context = io.tlsContext({ ...authority.issueWorkload(ownId), rootsPem: authority.rootsPem });
  peer = authority.issueWorkload(peerId);
});

function peerOptions() {
  return { key: peer.privateKeyPem, cert: peer.certificateChainPem, ca: authority.rootsPem, ALPNProtocols: ['h2'] };
}

/** Accepts one connection with our server; what became of it, and what the node:tls client saw. */
async function againstOurServer(
  options: ConnectionOptions,
): Promise<{ ours: TlsResult; echoed: string; clientError: string }> {
  const listener = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0 }));
  const ours = new Promise<TlsResult>((resolve) => {
    const watch = watchFd(listener, EPOLLIN, () => {
      watch[Symbol.dispose]();
      resolve(echoOverTls(context, io.accept(listener), 'server'));
    });
  });
  const { port } = io.localAddress(listener);
  const seen = { echoed: '', clientError: '' };
  const socket = connectTls({ host: '127.0.0.1', port, checkServerIdentity: () => undefined, ...options });
  socket.on('error', (error: NodeJS.ErrnoException) => (seen.clientError = String(error.code)));
  socket.on('data', (chunk: Buffer) => {
    seen.echoed += chunk.toString('latin1');
    socket.end();
  });
  socket.on('secureConnect', () => socket.write('ping'));
  const [result] = await Promise.all([ours, new Promise((closed) => socket.once('close', closed))]);
  io.close(listener);
  return { ours: result, ...seen };
}

/** Connects our client to a node:tls server. */
async function againstOurClient(
  options: TlsOptions,
  own = context,
): Promise<{ ours: TlsResult; heard: string; agreed: string }> {
  const seen = { heard: '', agreed: '' };
  const server = createServer({ requestCert: true, ...peerOptions(), ...options }, (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      seen.heard += chunk.toString('latin1');
      seen.agreed = `${socket.getProtocol()} ${socket.getCipher().name} ${String(socket.alpnProtocol)} ${JSON.stringify(socket.getPeerCertificate().subjectaltname)}`;
      socket.end();
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ours = await echoOverTls(own, io.tcpConnect({ address: '127.0.0.1', port }), 'client', 'hello');
  server.close();
  await once(server, 'close');
  return { ours, ...seen };
}

describe('our TLS server', () => {
  test('serves a mutual TLS 1.3 client that offers h2', async () => {
    const { ours, echoed } = await againstOurServer(peerOptions());
    assert.equal(ours.error, undefined);
    assert.equal(ours.agreed?.alpn, 'h2');
    assert.deepEqual(ours.uriSans, [peerId]);
    assert.equal(echoed, 'PING');
  });

  test('takes h2 out of a longer list, and a client without ALPN', async () => {
    const longer = await againstOurServer({ ...peerOptions(), ALPNProtocols: ['http/1.1', 'h2'] });
    assert.equal(longer.ours.agreed?.alpn, 'h2');
    const { ALPNProtocols: _, ...withoutAlpn } = peerOptions();
    const none = await againstOurServer(withoutAlpn);
    assert.equal(none.ours.agreed?.alpn, undefined);
    assert.equal(none.echoed, 'PING');
  });

  test('takes the hybrid group from a client that sends a share for it', async () => {
    const { ours } = await againstOurServer({ ...peerOptions(), ecdhCurve: 'X25519MLKEM768' });
    assert.equal(ours.agreed?.group, 'X25519MLKEM768');
  });

  test('takes AES-128 from a client that has only that', async () => {
    const { ours } = await againstOurServer({ ...peerOptions(), ciphers: 'TLS_AES_128_GCM_SHA256' });
    assert.equal(ours.agreed?.cipher, 'TLS_AES_128_GCM_SHA256');
  });

  const refused: [string, () => ConnectionOptions, RegExp, string][] = [
    [
      'a client without certificate',
      () => ({ ...peerOptions(), key: undefined, cert: undefined }),
      /peer did not return a certificate/,
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    ],
    [
      'TLS 1.2',
      () => ({ ...peerOptions(), maxVersion: 'TLSv1.2' }),
      /unsupported protocol/,
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    ],
    [
      'an ALPN list without h2',
      () => ({ ...peerOptions(), ALPNProtocols: ['http/1.1', 'h2c'] }),
      /no application protocol/,
      'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    ],
    [
      'ChaCha20',
      () => ({ ...peerOptions(), ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }),
      /no shared cipher/,
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    ],
    [
      'P-521',
      () => ({ ...peerOptions(), ecdhCurve: 'P-521' }),
      /no suitable key share/,
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    ],
    [
      'a client of another root',
      () => strangerOptions(),
      /certificate verify failed/,
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    ],
  ];
  for (const [name, options, reason, alert] of refused) {
    test(`refuses ${name} with the right alert`, async () => {
      const { ours, echoed, clientError } = await againstOurServer(options());
      assert.match(ours.error ?? '', reason);
      assert.match(ours.error ?? '', /^tls handshake error: /);
      assert.equal(clientError, alert);
      assert.equal(echoed, '');
    });
  }
});

/** Knows our root, but has a certificate of its own one. */
function strangerOptions(): ConnectionOptions {
  const other = new TestAuthority('other').issueWorkload(peerId);
  return { ...peerOptions(), key: other.privateKeyPem, cert: other.certificateChainPem };
}

describe('our TLS client', () => {
  test('shows its certificate and h2 to a server that asks for them', async () => {
    const { ours, heard, agreed } = await againstOurClient({});
    assert.equal(ours.error, undefined);
    assert.deepEqual(ours.uriSans, [peerId]);
    assert.equal(heard, 'hello');
    assert.equal(agreed, `TLSv1.3 TLS_AES_256_GCM_SHA384 h2 "URI:${ownId}"`);
  });

  test('goes on with the group that a server asks for by retry', async () => {
    const { ours } = await againstOurClient({ ecdhCurve: 'P-384' });
    assert.equal(ours.agreed?.group, 'secp384r1');
  });

  test('refuses a server of another root', async () => {
    const other = new TestAuthority('other');
    const own = io.tlsContext({ ...peer, rootsPem: other.rootsPem });
    const { ours } = await againstOurClient({}, own);
    assert.match(ours.error ?? '', /^tls handshake error: certificate verify failed: /);
  });

  test('refuses a server whose certificate is for clients only', async () => {
    const wrong = authority.issue([`subjectAltName=URI:${peerId}`, 'extendedKeyUsage=clientAuth']);
    const { ours } = await againstOurClient({ key: wrong.privateKeyPem, cert: wrong.certificateChainPem });
    assert.match(ours.error ?? '', /unsuitable certificate purpose/);
  });

  test('refuses TLS 1.2 and a server with ChaCha20 only', async () => {
    const old = await againstOurClient({ maxVersion: 'TLSv1.2' });
    assert.match(old.ours.error ?? '', /^tls handshake error: .*protocol version/);
    const chacha = await againstOurClient({ ciphers: 'TLS_CHACHA20_POLY1305_SHA256' });
    assert.match(chacha.ours.error ?? '', /^tls handshake error: .*handshake failure/);
  });

  test('tells that the server refused its certificate, which TLS 1.3 says only after the handshake', async () => {
    const { ours } = await againstOurClient({ ca: new TestAuthority('other').rootsPem, rejectUnauthorized: true });
    assert.ok(ours.agreed !== undefined);
    assert.match(ours.error ?? '', /^tls read error: .*(alert unknown ca|close|reset)/i);
  });

  test('sends a hello as the mesh peers do: one X25519 share, no server name, no ticket, h2 alone', () => {
    const hello = clientHello();
    assert.deepEqual(hello.suites, [0x1302, 0x1301]);
    assert.equal(hello.extensions.has(0), false, 'server_name');
    assert.equal(hello.extensions.get(35)?.length ?? 0, 0, 'session ticket');
    assert.equal(hello.extensions.has(41), false, 'pre-shared key');
    assert.equal(hello.extensions.has(27), false, 'certificate compression');
    assert.equal(hello.extensions.get(16)?.toString('latin1'), '\0\x03\x02h2');
    assert.equal(hello.extensions.get(10)?.toString('hex'), '0008' + '001d' + '0017' + '0018' + '11ec');
    assert.equal(hello.extensions.get(43)?.toString('hex'), '020304');
    assert.equal(hello.extensions.get(51)?.subarray(0, 6).toString('hex'), '0024' + '001d' + '0020');
  });
});

/** The ClientHello our client sends, taken apart. Spec: RFC 8446 4.1.2. */
function clientHello(): { suites: number[]; extensions: Map<number, Buffer> } {
  const session = io.tlsMemorySession(context, 'client');
  io.tlsHandshake(session);
  const bytes = Buffer.alloc(4096);
  const length = io.tlsDrain(session, bytes, 0, bytes.length);
  io.tlsFree(session);
  assert.equal(bytes.readUInt16BE(3), length - 5, 'one record');
  let at = 5 + 4 + 2 + 32;
  at += 1 + bytes.readUInt8(at);
  const suiteBytes = bytes.readUInt16BE(at);
  const suites: number[] = [];
  for (let i = 0; i < suiteBytes; i += 2) suites.push(bytes.readUInt16BE(at + 2 + i));
  at += 2 + suiteBytes;
  at += 1 + bytes.readUInt8(at) + 2;
  const extensions = new Map<number, Buffer>();
  while (at < length) {
    const size = bytes.readUInt16BE(at + 2);
    extensions.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return { suites, extensions };
}

test('a connection that is not TLS at all is told apart by our server', async () => {
  const listener = checked('tcpListen', io.tcpListen({ address: '127.0.0.1', port: 0 }));
  const socket = connectTcp(io.localAddress(listener).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  const result = await new Promise<TlsResult>((resolve) => {
    const watch = watchFd(listener, EPOLLIN, () => {
      watch[Symbol.dispose]();
      resolve(echoOverTls(context, io.accept(listener), 'server'));
    });
  });
  assert.match(result.error ?? '', /^tls handshake error: (http request|wrong version number|packet length)/);
  socket.destroy();
  io.close(listener);
});

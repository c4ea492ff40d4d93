import assert from 'node:assert/strict';
import http2 from 'node:http2';
import https from 'node:https';
import { test } from 'node:test';
import { proxy as proxyMessages, type traffic, workload as api } from '@ambit/api';
import { listenOnLoopback, makeTestCa } from '@ambit/testing';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const ca = makeTestCa();
const leaf = ca.issue(undefined, { dnsNames: ['secure.example.com'], uris: ['spiffe://cluster.local/ns/shop/sa/web'] });
type TlsInit = MessageInitShape<typeof traffic.BackendTlsSchema>;
const roots = { rootsPem: Buffer.from(ca.rootsPem) };

function serve(rig: WaypointRig, port: number, tls: TlsInit, init: Parameters<typeof pod>[3] = plain): void {
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: port }, init));
  const [name, bytes] = destination('web', { traffic: { tls } });
  const telemetry = { accessLog: { enabled: true } };
  rig.configure({ proxy: proxy({ destinations: [name], telemetry }), destinations: [[name, bytes]] });
}

/** An HTTPS server that says which name it was asked for by; its port. */
async function secureBackend(rig: WaypointRig, options: https.ServerOptions = {}): Promise<number> {
  const server = https.createServer(
    { cert: leaf.certificateChainPem, key: leaf.privateKeyPem, ALPNProtocols: ['http/1.1'], ...options },
    (request, response) => {
      const { socket } = request;
      const name = 'servername' in socket ? String(socket.servername) : '';
      response.end(`${name} ${'authorized' in socket ? String(socket.authorized) : ''}`);
    },
  );
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return listenOnLoopback(server);
}

const accepted: readonly (readonly [string, TlsInit, string])[] = [
  ['by the name of the policy', { ...roots, serverName: 'secure.example.com' }, 'secure.example.com'],
  ['by the request’s host', roots, 'secure.example.com'],
  [
    'by a listed alternative name',
    { ...roots, serverName: 'other.example.com', subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/web'] },
    'other.example.com',
  ],
  ['unverified, where that was asked for', { insecureSkipVerify: true, serverName: 'x.example.com' }, 'x.example.com'],
];
for (const [how, tls, expected] of accepted) {
  test(`a backend with TLS is accepted ${how}`, async () => {
    await using rig = await WaypointRig.open();
    serve(rig, await secureBackend(rig), tls);
    const answer = await rig.fetch(rig.entry(`${vip}:80`), '/', { headers: { host: 'Secure.example.com:80' } });
    assert.deepEqual([answer.status, answer.body.split(' ')[0]], [200, expected]);
  });
}

const refused: readonly (readonly [string, TlsInit])[] = [
  ['that proves another name', { ...roots, serverName: 'wrong.example.com' }],
  ['that lacks the listed names', { ...roots, serverName: 'secure.example.com', subjectAltNames: ['a.example.com'] }],
  ['of other roots', { rootsPem: Buffer.from(makeTestCa().rootsPem), serverName: 'secure.example.com' }],
  ['whose roots cannot be had', { serverName: 'secure.example.com' }],
  ['that is not of a public root', { useSystemRoots: true, serverName: 'secure.example.com' }],
];
for (const [which, tls] of refused) {
  test(`a backend ${which} gets no request`, async () => {
    await using rig = await WaypointRig.open();
    serve(rig, await secureBackend(rig), tls);
    const answer = await rig.fetch(rig.entry(`${vip}:80`), '/');
    assert.equal(answer.status, 503);
    assert.match(rig.accessLog, / 503 .*UF.*TLS_error/);
  });
}

test('the proxy shows its certificate to a backend that asks, and TLS goes through the tunnel of the mesh', async () => {
  await using rig = await WaypointRig.open();
  const own = ca.issue(undefined, { dnsNames: ['client.example.com'] });
  const port = await secureBackend(rig, { ca: ca.rootsPem, requestCert: true, rejectUnauthorized: true });
  const tls = {
    ...roots,
    serverName: 'secure.example.com',
    clientCertificateChainPem: Buffer.from(own.certificateChainPem),
    clientPrivateKeyPem: Buffer.from(own.privateKeyPem),
  };
  serve(rig, port, tls, { tunnelProtocol: api.TunnelProtocol.HBONE });
  rig.serveNode('spiffe://cluster.local/ns/shop/sa/web');
  const answer = await rig.fetch(rig.entry(`${vip}:80`), '/');
  assert.equal(answer.body, 'secure.example.com true');
  assert.equal(rig.node.requests.length, 1);
});

test('HTTP/2 to a backend is agreed on by ALPN', async () => {
  await using rig = await WaypointRig.open();
  const server = http2.createSecureServer({ cert: leaf.certificateChainPem, key: leaf.privateKeyPem }, (_q, response) =>
    response.end('over h2'),
  );
  server.on('session', (session) => rig.defer(() => session.destroy()));
  server.on('sessionError', () => {});
  rig.defer(() => server.close());
  const port = await listenOnLoopback(server);
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: port }, plain));
  const tls = { ...roots, serverName: 'secure.example.com' };
  const [name, bytes] = destination('web', { protocol: proxyMessages.Protocol.HTTP2, traffic: { tls } });
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  assert.equal((await rig.fetch(rig.entry(`${vip}:80`), '/')).body, 'over h2');
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { proxy as messages, workload as api } from '@ambit/api';
import { freePort, makeRevocationList, makeTestCa } from '@ambit/testing';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const { ServerListener_ServerProtocol: Protocol, ServerTls_ClientCertificate: ClientCertificate } = messages;
const ca = makeTestCa();
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
type ListenerInit = MessageInitShape<typeof messages.ServerListenerSchema>;

const backend = { namespace: 'shop', hostname: 'web.shop.svc.cluster.local', port: 80 };
const target = { case: 'backend' as const, value: backend };
const toWeb = { backends: [{ weight: 1, target }] };
const routes = {
  hosts: [{ hostname: '', routes: [{ name: 'all', action: { case: 'forward' as const, value: toWeb } }] }],
};
const tcpRoutes = [{ name: 'bytes', backends: [{ weight: 1, target }] }];

function keyPair(...dnsNames: readonly string[]): { certificateChainPem: Buffer; privateKeyPem: Buffer } {
  const leaf = ca.issue(undefined, { dnsNames });
  return {
    certificateChainPem: Buffer.from(leaf.certificateChainPem),
    privateKeyPem: Buffer.from(leaf.privateKeyPem),
  };
}

/** A gateway with one port; which one. */
async function gateway(
  rig: WaypointRig,
  targetPort: number,
  listeners: readonly ListenerInit[],
  protocol: messages.Protocol = messages.Protocol.HTTP,
): Promise<number> {
  const port = await freePort();
  rig.mesh(service('web', '10.9.0.1'), pod('web', '127.0.0.1', { web: targetPort }, plain));
  const [name, bytes] = destination('web', { protocol }, { served: false });
  rig.configure({
    proxy: proxy({
      kind: messages.Proxy_Kind.GATEWAY,
      destinations: [name],
      servers: [serverName(port)],
      telemetry: { accessLog: { enabled: true } },
    }),
    destinations: [[name, bytes]],
  });
  reconfigure(rig, port, listeners);
  return port;
}

const serverName = (port: number): string => `shop/edge/${port}`;

/** Other listeners on a port of `gateway`. */
function reconfigure(rig: WaypointRig, port: number, listeners: readonly ListenerInit[]): void {
  const server = create(messages.ServerSchema, { port, listeners: [...listeners] });
  rig.configure({ servers: [[serverName(port), toBinary(messages.ServerSchema, server)]] });
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function get(
  rig: WaypointRig,
  port: number,
  servername: string,
  options: https.RequestOptions = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { host: servername };
  https
    .get({ host: '127.0.0.1', port, servername, ca: ca.rootsPem, agent: false, headers, ...options }, (response) => {
      let body = '';
      response.on('data', (data) => (body += String(data)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
    .on('error', reject);
  return rig.result(promise, servername);
}

test('an HTTP listener routes, and tells the backend about the client', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((request, response) => void response.end(JSON.stringify(request.headers)));
  const port = await gateway(rig, web.port, [{ name: 'http', protocol: Protocol.SERVER_HTTP, ...routes }]);
  const { status, body } = await rig.fetch(port, '/', { headers: { host: 'a.example', 'x-forwarded-for': '1.2.3.4' } });
  assert.equal(status, 200);
  assert.match(body, /"x-forwarded-for":"1.2.3.4,127.0.0.1"|"x-forwarded-for":"1.2.3.4, 127.0.0.1"/);
  assert.match(body, /"x-forwarded-proto":"http"/);
  assert.match(rig.metrics, /istio_requests_total\{reporter="source"/);
});

test('HTTPS ends with the certificate of the name that was asked for, and unknown names get nothing', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((request, response) => void response.end(String(request.headers['x-forwarded-proto'])));
  const listener = (name: string, hostname: string): ListenerInit => ({
    name,
    hostname,
    protocol: Protocol.SERVER_HTTPS,
    tls: { keyPairs: [keyPair('unrelated.example'), keyPair(hostname)] },
    ...routes,
  });
  const port = await gateway(rig, web.port, [listener('one', 'one.example.com'), listener('two', '*.two.example.com')]);
  for (const name of ['one.example.com', 'a.two.example.com']) {
    assert.deepEqual(await get(rig, port, name), { status: 200, body: 'https' });
  }
  await assert.rejects(get(rig, port, 'three.example.com'));
  // A Host of another listener on this connection: it may have another certificate and other checks.
  const other = await get(rig, port, 'one.example.com', { headers: { host: 'a.two.example.com' } });
  assert.equal(other.status, 421);
});

test('clients of TLS 1.2 have the suites of the listener', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((_request, response) => void response.end('served'));
  const [listed, other] = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'];
  const settings = { keyPairs: [keyPair('a.example.com')], cipherSuites: [listed] };
  const listener = { name: 'a', protocol: Protocol.SERVER_HTTPS, tls: settings, ...routes };
  const port = await gateway(rig, web.port, [listener]);
  const old = (ciphers: string): Parameters<typeof get>[3] => ({ ciphers, maxVersion: 'TLSv1.2' });
  assert.equal((await get(rig, port, 'a.example.com', old(listed))).status, 200);
  await assert.rejects(get(rig, port, 'a.example.com', old(other)), /handshake failure/);
});

test('HTTP/2 is agreed on by ALPN, and a backend that says nothing of itself gets HTTP/1.1', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((request, response) => void response.end(`served ${request.url}`));
  const tlsListener = { protocol: Protocol.SERVER_HTTPS, tls: { keyPairs: [keyPair('h2.example.com')] } };
  const port = await gateway(rig, web.port, [{ name: 'tls', ...tlsListener, ...routes }], messages.Protocol.AUTO);
  const session = http2.connect(`https://h2.example.com:${port}`, {
    createConnection: () =>
      tls.connect({ port, host: '127.0.0.1', servername: 'h2.example.com', ca: ca.rootsPem, ALPNProtocols: ['h2'] }),
  });
  rig.defer(() => session.destroy());
  const stream = session.request({ ':path': '/x' });
  let body = '';
  let isOver = false;
  stream.on('data', (data) => (body += String(data)));
  stream.on('end', () => (isOver = true));
  await rig.until(() => isOver, 'answer');
  assert.equal(body, 'served /x');
});

test('mutual TLS asks for a certificate, and tells the backend which it saw', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend(
    (request, response) => void response.end(String(request.headers['x-forwarded-client-cert'])),
  );
  const port = await gateway(rig, web.port, [
    {
      name: 'mutual',
      protocol: Protocol.SERVER_HTTPS,
      tls: {
        keyPairs: [keyPair('mutual.example.com')],
        clientCertificate: ClientCertificate.REQUIRED,
        clientRootsPem: Buffer.from(ca.rootsPem),
      },
      ...routes,
    },
  ]);
  await assert.rejects(get(rig, port, 'mutual.example.com'));
  const own = ca.issue('spiffe://cluster.local/ns/out/sa/partner', { dnsNames: ['partner.example'] });
  const { body } = await get(rig, port, 'mutual.example.com', {
    cert: own.certificateChainPem,
    key: own.privateKeyPem,
  });
  assert.match(
    body,
    /^By=spiffe:.*;Hash=[0-9a-f]{64};Cert=".*";Subject=.*;URI=spiffe:\/\/cluster.local\/ns\/out\/sa\/partner;DNS=partner.example$/,
  );
  const [, encoded = ''] = /;Cert="([^"]*)"/.exec(body) ?? [];
  assert.ok(own.certificateChainPem.startsWith(decodeURIComponent(encoded)));
});

test('a client of a listener whose certificate is revoked is refused, others are served', async () => {
  await using rig = await WaypointRig.open();
  rig.defer(() => rig.worker.receive({ kind: 'revocations', lists: new Uint8Array() }));
  const web = await rig.backend((_request, response) => void response.end('served'));
  const tls = { keyPairs: [keyPair('mutual.example.com')], clientRootsPem: Buffer.from(ca.rootsPem) };
  const listeners = [{ ...tls, clientCertificate: ClientCertificate.REQUIRED }].map((settings) => ({
    name: 'mutual',
    protocol: Protocol.SERVER_HTTPS,
    tls: settings,
    ...routes,
  }));
  const port = await gateway(rig, web.port, listeners);
  const [good, bad] = [
    ca.issue('spiffe://cluster.local/ns/out/sa/good'),
    ca.issue('spiffe://cluster.local/ns/out/sa/bad'),
  ];
  const ask = ({ certificateChainPem: cert, privateKeyPem: key }: typeof good): Promise<Answer> =>
    get(rig, port, 'mutual.example.com', { cert, key });
  assert.equal((await ask(bad)).body, 'served');
  rig.worker.receive({ kind: 'revocations', lists: Buffer.from(makeRevocationList(ca, [bad])) });
  await assert.rejects(ask(bad), /revoked/);
  assert.equal((await ask(good)).body, 'served');
});

test('a connection that is open ends when its client is revoked, over HTTP and over bytes; that of others goes on', async () => {
  await using rig = await WaypointRig.open();
  rig.defer(() => rig.worker.receive({ kind: 'revocations', lists: new Uint8Array() }));
  const backend = net.createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
  backend.listen(0, '127.0.0.1');
  backend.on('connection', (socket) => rig.defer(() => socket.destroy()));
  rig.defer(() => backend.close());
  await once(backend, 'listening');
  const address = backend.address();
  assert.ok(address !== null && typeof address === 'object');
  const settings = {
    keyPairs: [keyPair('mutual.example.com')],
    clientRootsPem: Buffer.from(ca.rootsPem),
    clientCertificate: ClientCertificate.OPTIONAL,
  };
  for (const listener of [
    { name: 'http', protocol: Protocol.SERVER_HTTPS, ...routes },
    { name: 'bytes', protocol: Protocol.SERVER_TLS_TERMINATE, tcpRoutes },
  ]) {
    const port = await gateway(rig, address.port, [{ ...listener, tls: settings }]);
    const connect = (name: string | undefined) => {
      const own = name === undefined ? undefined : ca.issue(`spiffe://cluster.local/ns/out/sa/${name}`);
      const socket = tls.connect({
        port,
        host: '127.0.0.1',
        servername: 'mutual.example.com',
        ca: ca.rootsPem,
        ...(own === undefined ? {} : { cert: own.certificateChainPem, key: own.privateKeyPem }),
      });
      rig.defer(() => socket.destroy());
      const state = { isSecure: false, isOver: false };
      socket.on('secureConnect', () => (state.isSecure = true));
      socket.on('error', () => (state.isOver = true));
      socket.on('close', () => (state.isOver = true));
      return { own, state };
    };
    const [bad, good, nobody] = [connect('bad'), connect('good'), connect(undefined)];
    await rig.until(() => [bad, good, nobody].every(({ state }) => state.isSecure), 'the handshakes');
    await rig.turns(20);
    assert.ok(bad.own !== undefined);
    rig.worker.receive({ kind: 'revocations', lists: Buffer.from(makeRevocationList(ca, [bad.own])) });
    await rig.until(() => bad.state.isOver, `the end of the revoked client's connection (${listener.name})`);
    await rig.turns(20);
    assert.deepEqual([good.state.isOver, nobody.state.isOver], [false, false]);
    rig.worker.receive({ kind: 'revocations', lists: new Uint8Array() });
  }
  assert.match(rig.metrics, /istio_crl_policy_rejections_total\{reporter="destination"\} 2/);
});

test('a listener has revocation lists of its own: they refuse, end what is open, and are nothing to another listener', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((_request, response) => void response.end('served'));
  const own = ca.issue('spiffe://cluster.local/ns/out/sa/own');
  const key = { cert: own.certificateChainPem, key: own.privateKeyPem };
  const listeners = (lists: string) =>
    ['strict', 'lax'].map((name) => ({
      name,
      protocol: Protocol.SERVER_HTTPS,
      hostname: `${name}.example.com`,
      tls: {
        keyPairs: [keyPair(`${name}.example.com`)],
        clientRootsPem: Buffer.from(ca.rootsPem),
        clientCertificate: ClientCertificate.REQUIRED,
        clientRevocationsPem: Buffer.from(name === 'strict' ? lists : ''),
      },
      ...routes,
    }));
  const port = await gateway(rig, web.port, listeners(''));
  const open = (name: string) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: `${name}.example.com`, ca: ca.rootsPem, ...key });
    rig.defer(() => socket.destroy());
    const state = { isSecure: false, isOver: false };
    socket.on('secureConnect', () => (state.isSecure = true));
    socket.on('error', () => (state.isOver = true));
    socket.on('close', () => (state.isOver = true));
    return state;
  };
  const [strict, lax] = [open('strict'), open('lax')];
  await rig.until(() => strict.isSecure && lax.isSecure, 'the handshakes');
  await rig.turns(20);
  reconfigure(rig, port, listeners(makeRevocationList(ca, [own])));
  await rig.until(() => strict.isOver, 'the end of the open connection');
  assert.equal(lax.isOver, false);
  await assert.rejects(get(rig, port, 'strict.example.com', key), /revoked/);
  assert.equal((await get(rig, port, 'lax.example.com', key)).body, 'served');
  reconfigure(rig, port, listeners('-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'));
  await assert.rejects(get(rig, port, 'strict.example.com', key));
  reconfigure(rig, port, listeners(makeRevocationList(ca, [])));
  assert.equal((await get(rig, port, 'strict.example.com', key)).body, 'served');
});

test('TCP and TLS that is ended here are bytes for the backend', async () => {
  await using rig = await WaypointRig.open();
  const server = net.createServer((socket) => socket.write('hello ') && socket.pipe(socket)).listen(0, '127.0.0.1');
  server.on('connection', (socket) => rig.defer(() => socket.destroy()));
  rig.defer(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  for (const listener of [
    { name: 'tcp', protocol: Protocol.SERVER_TCP, tcpRoutes },
    { name: 'tls', protocol: Protocol.SERVER_TLS_TERMINATE, tls: { keyPairs: [keyPair('db.example.com')] }, tcpRoutes },
  ]) {
    const port = await gateway(rig, address.port, [listener]);
    const client =
      listener.name === 'tcp'
        ? net.connect({ port, host: '127.0.0.1' })
        : tls.connect({ port, host: '127.0.0.1', servername: 'db.example.com', ca: ca.rootsPem });
    rig.defer(() => client.destroy());
    let text = '';
    client.on('data', (data) => (text += String(data)));
    client.write('world');
    await rig.until(() => text === 'hello world', listener.name);
  }
});

test('a port goes with its server, and its connections go on', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((_request, response) => void response.end('ok'));
  const port = await gateway(rig, web.port, [{ name: 'http', protocol: Protocol.SERVER_HTTP, ...routes }]);
  assert.equal((await rig.fetch(port, '/')).status, 200);
  rig.configure({ servers: [[`shop/edge/${port}`, undefined]] });
  await assert.rejects(rig.fetch(port, '/'), /ECONNREFUSED/);
});

test('a client that is gone while its backend is dialled harms nobody', async () => {
  await using rig = await WaypointRig.open();
  // Nobody answers there, so that the dial goes on until its time is over.
  rig.mesh(service('web', '10.9.0.1'), pod('web', '192.0.2.1', { web: 80 }, plain));
  const port = await freePort();
  const [name, bytes] = destination('web', { traffic: { limits: { connectTimeout: { nanos: 300_000_000 } } } });
  const listener = { name: 'tls', protocol: Protocol.SERVER_TLS_PASSTHROUGH, tcpRoutes };
  const server = create(messages.ServerSchema, { port, listeners: [listener] });
  rig.configure({
    proxy: proxy({
      kind: messages.Proxy_Kind.GATEWAY,
      destinations: [name],
      servers: ['s'],
      telemetry: { accessLog: { enabled: true } },
    }),
    destinations: [[name, bytes]],
    servers: [['s', toBinary(messages.ServerSchema, server)]],
  });
  const client = tls.connect({ port, host: '127.0.0.1', servername: 'a.example.com' });
  client.on('error', () => {});
  await rig.turns(20);
  client.destroy();
  await rig.until(() => rig.accessLog !== '', 'log line');
  assert.match(rig.accessLog, / UF /);
});

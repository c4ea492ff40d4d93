/** The inbound side against a peer that is not ours: node:tls and node:http2. */
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { security } from '@ambit/api';
import { netnsSkipReason } from '@ambit/testing';
import { type TestPod, TwoNodes } from './test-support/two-nodes.ts';

const skip = netnsSkipReason();
const someone = 'spiffe://cluster.local/ns/shop/sa/client';

/** A TLS connection from a pod's namespace to the server's HBONE port. */
async function tunnelTo(nodes: TwoNodes, pod: TestPod, identity: string | undefined): Promise<TLSSocket> {
  const socket = await nodes.connect(pod, nodes.server.address, 15008);
  const material = nodes.issue(identity ?? someone);
  const tls = connectTls({
    socket,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.3',
    ca: material.rootsPem,
    checkServerIdentity: () => undefined,
    ...(identity === undefined ? {} : { cert: material.certificateChainPem, key: material.privateKeyPem }),
  });
  tls.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    tls.once('secureConnect', resolve);
    tls.once('error', reject);
  });
  return tls;
}

async function session(nodes: TwoNodes): Promise<ClientHttp2Session> {
  // Without its proxy the client pod is only a place to dial from.
  nodes.worker(nodes.client).post({ kind: 'proxyRemove', uid: 'client' });
  await nodes.settled();
  nodes.client.netns.run('iptables', '-t', 'nat', '-F', 'ISTIO_OUTPUT');
  const tls = await tunnelTo(nodes, nodes.client, someone);
  const http2 = connectHttp2('https://peer', { createConnection: () => tls });
  http2.on('error', () => undefined);
  return http2;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(http2: ClientHttp2Session, headers: Record<string, string>, payload = ''): Promise<Answer> {
  const stream = http2.request(headers, { endStream: false });
  const chunks: Buffer[] = [];
  let answer: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
  stream.on('response', (received) => {
    answer = received;
    stream.end(payload);
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => undefined);
  await new Promise((resolve) => stream.on('close', resolve));
  return { status: answer[':status'], headers: answer, body: Buffer.concat(chunks).toString() };
}

const connectTo = (authority: string): Record<string, string> => ({ ':method': 'CONNECT', ':authority': authority });

test('every refusal has its status, on one connection that stays usable', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, (socket) => socket.pipe(socket));
  nodes.policy('closed', {
    scope: security.Scope.NAMESPACE,
    action: security.Action.DENY,
    rules: [{ clauses: [{ matches: [{ destinationPorts: [8081] }] }] }],
  });
  const http2 = await session(nodes);
  const get = { ':method': 'GET', ':scheme': 'https', ':authority': '10.77.0.2:8080', ':path': '/' };
  const table: readonly [name: string, request: Record<string, string>, status: number][] = [
    ['GET', get, 400],
    ['an authority without port', connectTo('10.77.0.2'), 400],
    ['a foreign address', connectTo('10.77.0.9:8080'), 400],
    ['an unknown host', connectTo('nowhere.example:80'), 503],
    ['a port of the mesh', connectTo('10.77.0.2:15006'), 503],
    ['its own port', connectTo('10.77.0.2:15008'), 503],
    ['a closed port', connectTo('10.77.0.2:9'), 503],
    ['a port that policy denies', connectTo('10.77.0.2:8081'), 401],
  ];
  for (const [name, request, status] of table) {
    const answer = await ask(http2, request);
    assert.equal(answer.status, status, name);
    assert.deepEqual(Object.keys(answer.headers), [':status'], name);
  }
  const good = await ask(http2, { ...connectTo('10.77.0.2:8080'), baggage: 'k8s.deployment.name=x' }, 'hello');
  assert.equal(good.status, 200);
  assert.equal(good.body, 'hello');
  assert.match(String(good.headers['baggage']), /^k8s\.cluster\.name=Kubernetes,k8s\.namespace\.name=shop,/u);
  await nodes.logLine('connection failed', 'expected method CONNECT, got GET');
  await nodes.logLine('connection failed', 'ip mismatch: 10.77.0.2 != 10.77.0.9');
  await nodes.logLine('connection failed', 'no service or workload for hostname: nowhere.example');
  http2.close();
});

test('a source of another network is described by its baggage, not by its address', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, (socket) => socket.pipe(socket));
  const http2 = await session(nodes);
  const headers = {
    ...connectTo('10.77.0.2:8080'),
    'x-forwarded-network': 'elsewhere',
    baggage: 'k8s.cluster.name=far,k8s.namespace.name=away,k8s.deployment.name=stranger,service.name=strange',
  };
  assert.equal((await ask(http2, headers, 'x')).status, 200);
  await nodes.logLine('direction="inbound"', 'src.workload="strange" src.namespace="away"', 'src.cluster="far"');
  await nodes.metric(/istio_tcp_connections_closed_total\{reporter="destination",source_workload="stranger",/u);
  http2.close();
});

test('an application tunnel gets a PROXY header with the client and the address that was meant', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.workload(nodes.server, { applicationTunnel: { protocol: 1, port: 15088 } });
  nodes.publish();
  const received: Buffer[] = [];
  nodes.serve(
    nodes.server,
    15088,
    (socket) => {
      socket.on('data', (chunk: Buffer) => received.push(chunk));
      socket.on('end', () => socket.end('done'));
    },
    '127.0.0.1',
  );
  const http2 = await session(nodes);
  assert.equal((await ask(http2, connectTo('10.99.0.1:80'), 'payload')).body, 'done');
  const bytes = Buffer.concat(received);
  assert.equal(bytes.subarray(0, 12).toString('hex'), '0d0a0d0a000d0a515549540a');
  assert.deepEqual([...bytes.subarray(16, 24)], [10, 77, 0, 1, 10, 99, 0, 1]);
  assert.equal(bytes.readUInt16BE(26), 80);
  assert.ok(bytes.includes(someone), 'the identity of the client');
  assert.ok(bytes.toString('latin1').endsWith('payload'));
  http2.close();
});

test('a client without certificate does not get through the handshake', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.worker(nodes.client).post({ kind: 'proxyRemove', uid: 'client' });
  await nodes.settled();
  nodes.client.netns.run('iptables', '-t', 'nat', '-F', 'ISTIO_OUTPUT');
  const tls = await tunnelTo(nodes, nodes.client, undefined).catch(() => undefined);
  // With TLS 1.3 the client learns of it only after its own handshake.
  if (tls !== undefined) await new Promise((resolve) => tls.on('close', resolve));
  await nodes.logLine('connection failed', 'direction="inbound"', 'tls handshake error');
});

test('a stranger who dials a port of the mesh in plaintext is refused', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.worker(nodes.client).post({ kind: 'proxyRemove', uid: 'client' });
  await nodes.settled();
  nodes.client.netns.run('iptables', '-t', 'nat', '-F', 'ISTIO_OUTPUT');
  for (const port of [15_001, 15_006]) {
    const socket = await nodes.connect(nodes.client, nodes.server.address, port);
    socket.on('error', () => undefined).end('hello');
    await new Promise((resolve) => socket.on('close', resolve).resume());
  }
  await nodes.logLine('connection failed', 'direction="inbound"', 'attempted recursive call to ourselves');
});

test('garbage on the HBONE port is refused and the next connection is served', { skip }, async () => {
  await using nodes = await TwoNodes.start();
  nodes.serve(nodes.server, 8080, (socket) => socket.pipe(socket));
  const http2 = await session(nodes);
  for (const junk of ['GET / HTTP/1.1\r\n\r\n', '\u0000'.repeat(2000), '\u0016\u0003\u0001\u00ff\u00ff']) {
    const socket = await nodes.connect(nodes.client, nodes.server.address, 15008);
    socket.end(junk);
    await new Promise((resolve) => socket.on('close', resolve).resume());
  }
  assert.equal((await ask(http2, connectTo('10.77.0.2:8080'), 'still here')).body, 'still here');
  http2.close();
});

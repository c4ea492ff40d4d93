import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';
import { access, proxy as proxyMessages, workload as api } from '@ambit/api';
import { decodeProxyHeader } from '@ambit/net';
import { listenOnLoopback } from '@ambit/testing';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { clientId, WaypointRig } from './test-support/waypoint-rig.ts';

const { Protocol } = proxyMessages;
const vip = '10.9.0.1';
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const telemetry = { accessLog: { enabled: true } };
type PortInit = MessageInitShape<typeof proxyMessages.DestinationPortSchema>;
type DestinationInit = MessageInitShape<typeof proxyMessages.DestinationSchema>;

async function serve(rig: WaypointRig, target: number, port: PortInit, init: DestinationInit = {}): Promise<void> {
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: target }, plain));
  const [name, bytes] = destination('web', port, init);
  rig.configure({ proxy: proxy({ destinations: [name], telemetry }), destinations: [[name, bytes]] });
}

/** A TCP server; its port. */
async function tcpBackend(rig: WaypointRig, onSocket: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    rig.defer(() => socket.destroy());
    onSocket(socket);
  });
  rig.defer(() => server.close());
  return listenOnLoopback(server);
}

/** A connection to the entry; what it received. */
function connect(
  rig: WaypointRig,
  port: number,
): { readonly socket: net.Socket; readonly text: () => string; ended: boolean } {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  rig.defer(() => socket.destroy());
  const chunks: Buffer[] = [];
  const connection = { socket, text: () => Buffer.concat(chunks).toString(), ended: false };
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => (connection.ended = true));
  socket.on('close', () => (connection.ended = true));
  socket.on('error', () => {});
  return connection;
}

for (const [kind, protocol] of [
  ['declared', Protocol.TCP],
  ['sniffed', Protocol.AUTO],
] as const) {
  test(`a ${kind} TCP connection is passed on with half-close, logged and counted`, async () => {
    await using rig = await WaypointRig.open();
    const target = await tcpBackend(rig, (socket) => {
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('end', () => socket.end(`got ${text}`));
    });
    await serve(rig, target, { protocol });
    const client = connect(rig, rig.entry(`${vip}:80`));
    client.socket.end('*1\r\n$4\r\nPING\r\n');
    await rig.until(() => client.ended, 'answer');
    assert.equal(client.text(), 'got *1\r\n$4\r\nPING\r\n');
    await rig.until(() => rig.accessLog !== '', 'log line');
    assert.match(rig.accessLog, /inbound-vip\|80\|tcp\|web\.shop/);
    assert.match(rig.metrics, /istio_tcp_connections_closed_total\{reporter="waypoint".*\} 1/);
    assert.match(rig.metrics, /istio_tcp_received_bytes_total\{.*\} 14/);
    assert.match(rig.metrics, /istio_tcp_sent_bytes_total\{.*\} 18/);
  });
}

for (const version of [1, 2]) {
  test(`a TCP backend is told the client by a PROXY header of version ${version}`, async () => {
    await using rig = await WaypointRig.open();
    const received: Buffer[] = [];
    const target = await tcpBackend(rig, (socket) => socket.on('data', (data: Buffer) => received.push(data)));
    await serve(rig, target, { protocol: Protocol.TCP, traffic: { proxyProtocol: version } });
    connect(rig, rig.entry(`${vip}:80`)).socket.write('payload');
    await rig.until(() => Buffer.concat(received).toString().endsWith('payload'), 'payload');
    const bytes = Buffer.concat(received);
    if (version === 1) return assert.equal(bytes.toString(), 'PROXY TCP4 127.0.0.1 10.9.0.1 0 80\r\npayload');
    const decoded = decodeProxyHeader(bytes);
    assert.ok(decoded.kind === 'header');
    assert.deepEqual(decoded.header.source, { address: '127.0.0.1', port: 0 });
    assert.deepEqual(decoded.header.destination, { address: vip, port: 80 });
    assert.equal(bytes.toString('latin1', decoded.length), 'payload');
  });
}

test('open streams are counted, to scale by', async () => {
  await using rig = await WaypointRig.open();
  const target = await tcpBackend(rig, (socket) => void socket.on('end', () => socket.end()).resume());
  await serve(rig, target, { protocol: Protocol.TCP });
  const client = connect(rig, rig.entry(`${vip}:80`));
  await rig.until(() => /^ambit_open_streams 1$/m.test(rig.metrics), 'a stream');
  client.socket.end();
  await rig.until(() => /^ambit_open_streams 0$/m.test(rig.metrics), 'its end');
});

test('a server that speaks first is heard on a declared TCP port', async () => {
  await using rig = await WaypointRig.open();
  const target = await tcpBackend(rig, (socket) => socket.write('220 ready\r\n'));
  await serve(rig, target, { protocol: Protocol.TCP });
  const client = connect(rig, rig.entry(`${vip}:80`));
  await rig.until(() => client.text() === '220 ready\r\n', 'greeting');
});

test('HTTP on a port without a protocol is read as HTTP', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('sniffed'));
  await serve(rig, backend.port, { protocol: Protocol.AUTO });
  const answer = await rig.fetch(rig.entry(`${vip}:80`), '/x');
  assert.equal(answer.body, 'sniffed');
  assert.ok('x-envoy-upstream-service-time' in answer.headers);
});

test('a denied TCP connection reaches nobody', async () => {
  await using rig = await WaypointRig.open();
  let connections = 0;
  const target = await tcpBackend(rig, () => (connections += 1));
  const deny = {
    namespace: 'shop',
    name: 'no',
    action: access.AuthorizationPolicy_Action.DENY,
    rules: [{ from: [{ attributes: [{ field: 'principals', values: [clientId.slice('spiffe://'.length)] }] }] }],
  };
  await serve(rig, target, { protocol: Protocol.TCP }, { access: { policies: [deny] } });
  const client = connect(rig, rig.entry(`${vip}:80`));
  client.socket.write('x');
  await rig.until(() => client.ended, 'close');
  assert.equal(connections, 0);
  assert.match(rig.accessLog, /rbac_access_denied_matched_policy\[ns\[shop\]-policy\[no\]-rule\[0\]\]/);
});

test('a TLS connection that passes through is routed by the name it asks for', async () => {
  await using rig = await WaypointRig.open();
  const seen: string[] = [];
  const target = await tcpBackend(rig, (socket) => {
    socket.on('data', (data: Buffer) => {
      seen.push(data.subarray(0, 3).toString('hex'));
      socket.destroy();
    });
  });
  const backend = { namespace: 'shop', hostname: 'web.shop.svc.cluster.local', port: 80 };
  const route = {
    name: 'named',
    serverNames: ['*.example.com'],
    backends: [{ weight: 1, target: { case: 'backend' as const, value: backend } }],
  };
  await serve(rig, target, { protocol: Protocol.TLS, tcpRoutes: [route] });
  const entry = rig.entry(`${vip}:80`);
  const { connect: tlsConnect } = await import('node:tls');
  for (const [servername, isPassed] of [
    ['a.example.com', true],
    ['b.example.org', false],
  ] as const) {
    const socket = tlsConnect({ port: entry, host: '127.0.0.1', servername });
    let isOver = false;
    socket.on('error', () => (isOver = true));
    socket.on('close', () => (isOver = true));
    await rig.until(() => isOver, servername);
    assert.deepEqual(seen.splice(0), isPassed ? ['160301'] : []);
  }
  assert.match(rig.accessLog, / NR .* b\.example\.org -\n/);
});

test('a wildcard host is looked up by the server name of TLS; other names, and none, reach nobody', async () => {
  await using rig = await WaypointRig.open();
  const hostname = '*.example.org';
  const backend = { namespace: 'shop', hostname, port: 80 };
  const route = { name: 'out', backends: [{ weight: 1, target: { case: 'backend' as const, value: backend } }] };
  rig.mesh(service('out', vip, { hostname }));
  const name = 'shop/waypoint/shop/*.example.org';
  const [, bytes] = destination('out', { protocol: Protocol.TLS, tcpRoutes: [route] }, { hostname });
  rig.configure({
    proxy: proxy({ destinations: [name], telemetry: { accessLog: { enabled: true } } }),
    destinations: [[name, bytes]],
  });
  const entry = rig.entry(`${vip}:80`);
  const { connect: tlsConnect } = await import('node:tls');
  const ask = async (servername: string, onAsked: () => void): Promise<void> => {
    const socket = tlsConnect({ port: entry, host: '127.0.0.1', servername });
    rig.defer(() => socket.destroy());
    let isOver = false;
    socket.on('error', () => (isOver = true));
    socket.on('close', () => (isOver = true));
    await rig.until(() => {
      if (rig.reports.some((report) => report.kind === 'resolveHost' && report.hostname === servername)) onAsked();
      return isOver;
    }, servername);
  };
  for (const other of ['a.example.com', 'example.org', `${'a'.repeat(60)}_-.example.org.net`, ''])
    await ask(other, () => assert.fail(`${other} was looked up`));
  assert.equal(rig.accessLog.match(/ NR /g)?.length, 4);
  // What the zone says must not lead to this machine; nothing else is needed to see that it was waited for.
  const put = (): void =>
    rig.worker.receive({ kind: 'resolved', hostname: 'a.example.org', addresses: ['127.0.0.1', '169.254.169.254'] });
  await ask('a.example.org', put);
  assert.match(rig.accessLog, / UH .* a\.example\.org out\n/);
});

test('gRPC passes in both directions at once, with trailers', async () => {
  await using rig = await WaypointRig.open();
  const server = http2.createServer();
  rig.defer(() => server.close());
  server.on('sessionError', () => {});
  server.on('session', (session) => rig.defer(() => session.destroy()));
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    assert.equal(headers[':path'], '/shop.Basket/Watch');
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-last': 'word' }));
    stream.on('data', (data: Buffer) => stream.write(data));
    stream.on('end', () => stream.end());
  });
  const port = await listenOnLoopback(server);
  await serve(rig, port, { protocol: Protocol.GRPC });
  const session = http2.connect(`http://127.0.0.1:${rig.entry(`${vip}:80`)}`);
  rig.defer(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/shop.Basket/Watch',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const received: Buffer[] = [];
  let trailers: http2.IncomingHttpHeaders | undefined;
  stream.on('data', (data: Buffer) => received.push(data));
  stream.on('trailers', (headers) => (trailers = headers));
  const message = Buffer.from([0, 0, 0, 0, 3, 97, 98, 99]);
  for (let i = 1; i <= 3; i++) {
    stream.write(message);
    await rig.until(() => Buffer.concat(received).length === i * message.length, `message ${i}`);
  }
  stream.end();
  await rig.until(() => trailers !== undefined, 'trailers');
  assert.equal(trailers?.['x-last'], 'word');
  await rig.until(() => rig.accessLog !== '', 'log line');
  assert.match(rig.metrics, /istio_requests_total\{.*request_protocol="grpc".*grpc_response_status="0"\} 1/);
  assert.match(rig.metrics, /istio_request_messages_total\{.*\} 3/);
});

test('a WebSocket is a stream of bytes after its upgrade', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend(() => assert.fail('no plain request'));
  backend.on('upgrade', (request: http.IncomingMessage, socket: net.Socket) => {
    rig.defer(() => socket.destroy());
    assert.equal(request.headers.upgrade, 'websocket');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello ');
    socket.pipe(socket);
  });
  await serve(rig, backend.port, {});
  const client = connect(rig, rig.entry(`${vip}:80`));
  client.socket.write('GET /ws HTTP/1.1\r\nhost: web\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
  await rig.until(() => client.text().endsWith('hello '), 'upgrade');
  assert.match(client.text(), /^HTTP\/1.1 101 /);
  client.socket.write('frames');
  await rig.until(() => client.text().endsWith('hello frames'), 'echo');
});

test('16 MB go up and down unchanged', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((request, response) => void request.pipe(response));
  await serve(rig, backend.port, {});
  const bytes = randomBytes(16_000_000);
  const request = http.request({ port: rig.entry(`${vip}:80`), host: '127.0.0.1', method: 'POST', agent: false });
  const hash = createHash('sha256');
  let isOver = false;
  request.on('response', (response) => {
    response.on('data', (data) => hash.update(data));
    response.on('end', () => (isOver = true));
  });
  request.end(bytes);
  await rig.until(() => isOver, 'echo');
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
});

test('a change of policy acts on the next request of an open connection; without an error', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((_request, response) => void response.end('ok'));
  await serve(rig, backend.port, {});
  const entry = rig.entry(`${vip}:80`);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  rig.defer(() => agent.destroy());
  assert.equal((await rig.fetch(entry, '/', { agent })).status, 200);
  const allowNobody = { namespace: 'shop', name: 'none', action: access.AuthorizationPolicy_Action.ALLOW, rules: [] };
  const [name, closed] = destination('web', {}, { access: { policies: [allowNobody] } });
  rig.configure({ destinations: [[name, closed]] });
  const denied = await rig.fetch(entry, '/', { agent });
  assert.deepEqual([denied.status, denied.body], [403, 'RBAC: access denied']);
  const [, open] = destination('web');
  rig.configure({ destinations: [[name, open]] });
  assert.equal((await rig.fetch(entry, '/', { agent })).status, 200);
});

test('endpoints come and go: no request fails while there is one', async () => {
  await using rig = await WaypointRig.open();
  const names = ['a', 'b', 'c'];
  const backends = await Promise.all(names.map((name) => rig.backend((_request, response) => void response.end(name))));
  const resource = (i: number): Uint8Array => pod(names[i] ?? '', '127.0.0.1', { web: backends[i]?.port ?? 0 }, plain);
  await serve(rig, backends[0]?.port ?? 0, {});
  rig.forget('Kubernetes//Pod/shop/web');
  rig.mesh(resource(0));
  const entry = rig.entry(`${vip}:80`);
  const answers = new Set<string>();
  for (let round = 0; round < 12; round++) {
    const next = (round + 1) % 3;
    rig.mesh(resource(next));
    rig.forget(`Kubernetes//Pod/shop/${names[round % 3]}`);
    for (let i = 0; i < 4; i++) {
      const { status, body } = await rig.fetch(entry, '/');
      assert.equal(status, 200);
      answers.add(body);
    }
    assert.ok(answers.has(names[next] ?? ''));
    answers.clear();
  }
  rig.forget('Kubernetes//Pod/shop/a');
  const gone = await rig.fetch(entry, '/');
  assert.deepEqual([gone.status, gone.body], [503, 'no healthy upstream']);
  assert.match(rig.accessLog, / 503 UH no_healthy_upstream /);
});

test('with one connection allowed, requests wait for it; over the limit of those that wait they are refused', async () => {
  await using rig = await WaypointRig.open();
  const waiting: http.ServerResponse[] = [];
  const backend = await rig.backend((_request, response) => void waiting.push(response));
  await serve(rig, backend.port, { traffic: { limits: { maxConnections: 1, maxPendingRequests: 1 } } });
  const entry = rig.entry(`${vip}:80`);
  const statuses: number[] = [];
  const overloaded: (string | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    const request = http.get({ port: entry, host: '127.0.0.1', agent: false, path: `/${i}` });
    request.on('response', (response) => {
      statuses.push(response.statusCode ?? 0);
      overloaded.push(String(response.headers['x-envoy-overloaded']));
      response.resume();
    });
    await rig.until(() => (i === 0 ? waiting.length === 1 : i === 1 || statuses.length === 1), `request ${i}`);
    // The second one has to be waiting before the third comes.
    if (i === 1) await rig.turns(50);
  }
  assert.deepEqual([statuses, overloaded], [[503], ['true']]);
  waiting[0]?.end('one');
  await rig.until(() => waiting.length === 2, 'the second');
  waiting[1]?.end('two');
  await rig.until(() => statuses.length === 3, 'both');
  assert.deepEqual(statuses, [503, 200, 200]);
});

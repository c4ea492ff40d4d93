/** Requests of Node's clients through a tunnel, a waypoint and real sockets to Node's servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';

import { access, proxy as messages, workload as api } from '@ambit/api';
import type { MessageInitShape } from '@bufbuild/protobuf';

import { destination, pod, proxy, service } from '../data/test-support/mesh-messages.ts';
import { WaypointRig } from '../data/test-support/waypoint-rig.ts';

type PortShape = MessageInitShape<typeof messages.DestinationPortSchema>;
type DestinationShape = MessageInitShape<typeof messages.DestinationSchema>;

const vip = '10.9.0.1';
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const to = (name: string): object => ({
  weight: 1,
  target: { case: 'backend', value: { namespace: 'shop', hostname: `${name}.shop.svc.cluster.local`, port: 80 } },
});
const forward = (...names: readonly string[]): object => ({ case: 'forward', value: { backends: names.map(to) } });

interface Backend {
  readonly name: string;
  readonly port: number;
}

/** A waypoint that serves `web`; every backend is a service of one endpoint. The way to `web`. */
function serve(
  rig: WaypointRig,
  backends: readonly Backend[],
  port: PortShape = {},
  rest: DestinationShape = {},
  tracing?: object,
): number {
  const [web] = destination('web', port, rest);
  const resources = backends.map(({ name }) => {
    if (name === 'web') return destination('web', port, rest);
    // A collector speaks gRPC.
    return destination(name, name === 'otel' ? { protocol: messages.Protocol.GRPC } : {});
  });
  rig.mesh(
    ...backends.flatMap(({ name, port: target }, i) => [
      service(name, `10.9.0.${i + 1}`),
      pod(name, `127.0.0.${i + 1}`, { [name]: target }, plain),
    ]),
  );
  const telemetry = { accessLog: { enabled: true }, ...(tracing === undefined ? {} : { tracing }) };
  rig.configure({
    proxy: proxy({ destinations: resources.map(([name]) => name), telemetry }),
    destinations: [...resources],
  });
  assert.ok(web !== undefined);
  return rig.entry(`${vip}:80`);
}

/** As the rig's, on any address of loopback. */
async function backend(rig: WaypointRig, name: string, handler: http.RequestListener): Promise<Backend> {
  const server = http.createServer(handler).listen(0);
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { name, port: address.port };
}

test('retries hide a backend that fails every second time', async () => {
  await using rig = await WaypointRig.open();
  let asked = 0;
  const bodies: string[] = [];
  const web = await backend(rig, 'web', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks).toString());
      asked += 1;
      response.statusCode = asked % 2 === 1 ? 503 : 200;
      response.end(`answer ${asked}`);
    });
  });
  const retries = { maxRetries: 2, conditions: ['503'], reuseEndpoints: true };
  const entry = serve(rig, [web], { httpRoutes: [{ name: 'r', action: forward('web'), retries } as never] });
  for (const expected of ['answer 2', 'answer 4']) {
    const answer = await rig.fetch(entry, '/', { method: 'POST', body: 'order' });
    assert.deepEqual([answer.status, answer.body], [200, expected]);
  }
  assert.deepEqual(bodies, ['order', 'order', 'order', 'order']);
});

test('a slow backend is given up, a fault is injected, a redirect is sent, and the connection goes on', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (request, response) => {
    if (request.url !== '/slow') response.end('quick');
  });
  const at = (value: string): object => ({ path: { kind: { case: 'exact', value } } });
  const entry = serve(rig, [web], {
    httpRoutes: [
      { name: 'slow', matches: [at('/slow')], action: forward('web'), timeout: { nanos: 50_000_000 } },
      {
        name: 'fault',
        matches: [at('/fault')],
        action: forward('web'),
        fault: { abortStatus: 418, abortPerMillion: 1_000_000 },
      },
      {
        name: 'moved',
        matches: [at('/old')],
        action: { case: 'redirect', value: { host: 'new.example', status: 301 } },
      },
      { name: 'rest', action: forward('web') },
    ] as never,
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  rig.defer(() => agent.destroy());
  const statuses: unknown[] = [];
  for (const path of ['/slow', '/fault', '/old', '/']) {
    const answer = await rig.fetch(entry, path, { agent, headers: { host: 'web' } });
    statuses.push([answer.status, answer.headers.location ?? answer.body]);
  }
  assert.deepEqual(statuses, [
    [504, 'upstream request timeout'],
    [418, 'fault filter abort'],
    [301, 'http://new.example/old'],
    [200, 'quick'],
  ]);
  assert.match(rig.accessLog, /"GET \/slow HTTP\/1\.1" 504 UT response_timeout /);
});

test('a mirror receives copies with their bodies', async () => {
  await using rig = await WaypointRig.open();
  const copies: string[] = [];
  const web = await backend(rig, 'web', (request, response) => {
    request.resume();
    request.on('end', () => response.end('original'));
  });
  const copy = await backend(rig, 'copy', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      copies.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`);
      response.statusCode = 500;
      response.end('nobody reads this');
    });
  });
  const mirrors = [
    { backend: { namespace: 'shop', hostname: 'copy.shop.svc.cluster.local', port: 80 }, perMillion: 1_000_000 },
  ];
  const entry = serve(rig, [web, copy], { httpRoutes: [{ name: 'm', action: forward('web'), mirrors } as never] });
  const answer = await rig.fetch(entry, '/buy', { method: 'POST', body: 'one' });
  assert.deepEqual([answer.status, answer.body], [200, 'original']);
  await rig.until(() => copies.length > 0, 'the copy');
  assert.deepEqual(copies, ['POST /buy one']);
});

test('a policy opens and closes a path, for the next request of the same connection', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (_request, response) => void response.end('in'));
  const entry = serve(rig, [web]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  rig.defer(() => agent.destroy());
  const ask = async (path: string): Promise<unknown> => {
    const answer = await rig.fetch(entry, path, { agent });
    return [answer.status, answer.body];
  };
  assert.deepEqual(await ask('/admin'), [200, 'in']);
  const rule = { to: [{ attributes: [{ field: 'paths', values: ['/admin*'] }] }] };
  const policy = { namespace: 'shop', name: 'p', action: access.AuthorizationPolicy_Action.DENY, rules: [rule] };
  rig.configure({ destinations: [destination('web', {}, { access: { policies: [policy] } })] });
  assert.deepEqual(await ask('/%61dmin'), [403, 'RBAC: access denied']);
  assert.deepEqual(await ask('/'), [200, 'in']);
  rig.configure({ destinations: [destination('web')] });
  assert.deepEqual(await ask('/admin'), [200, 'in']);
  assert.match(rig.accessLog, / 403 - rbac_access_denied_matched_policy\[ns\[shop\]-policy\[p\]-rule\[0\]\] /);
});

test('a large body passes both ways whole, with little memory held', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (request, response) => void request.pipe(response));
  const entry = serve(rig, [web]);
  const piece = Buffer.alloc(64 * 1024, 'x');
  const pieces = 320;
  const request = http.request({ host: '127.0.0.1', port: entry, method: 'POST', agent: false });
  let received = 0;
  const done = new Promise<void>((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      response.on('data', (chunk: Buffer) => (received += chunk.length));
      response.on('end', resolve);
    });
  });
  const send = (left: number): void => {
    if (left === 0) request.end();
    else request.write(piece, () => send(left - 1));
  };
  send(pieces);
  await rig.result(done, 'the echo of a large body');
  assert.equal(received, pieces * piece.length);
});

test('an early answer to a large body comes through, and the rest of the body hurts nobody', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (_request, response) => {
    response.writeHead(413, { connection: 'close' });
    response.end('too much');
  });
  const entry = serve(rig, [web]);
  const request = http.request({
    host: '127.0.0.1',
    port: entry,
    method: 'POST',
    agent: false,
    headers: { 'content-length': 8_000_000 },
  });
  request.on('error', () => {});
  const answer = new Promise<number>((resolve) =>
    request.on('response', (response) => resolve(response.statusCode ?? 0)),
  );
  request.write(Buffer.alloc(1_000_000));
  assert.equal(await rig.result(answer, 'an early answer'), 413);
  request.destroy();
});

test('HTTP/2 clients get answers of HTTP/1.1 backends, many at a time', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(
    rig,
    'web',
    (request, response) => void response.end(`${request.url} by ${request.httpVersion}`),
  );
  const entry = serve(rig, [web]);
  const session = http2.connect(`http://127.0.0.1:${entry}`);
  rig.defer(() => session.destroy());
  const ask = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path });
      let body = '';
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => (body += text));
      stream.on('end', () => resolve(body));
      stream.on('error', reject);
    });
  const answers = await rig.result(Promise.all(Array.from({ length: 40 }, (_, i) => ask(`/${i}`))), 'forty answers');
  assert.deepEqual(
    answers,
    Array.from({ length: 40 }, (_, i) => `/${i} by 1.1`),
  );
});

test('gRPC passes with messages and trailers, and local replies are gRPC’s', async () => {
  await using rig = await WaypointRig.open();
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
    stream.on('data', (chunk: Buffer) => stream.write(chunk));
    stream.on('end', () => stream.end());
  });
  server.listen(0);
  rig.defer(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const grpc = { protocol: messages.Protocol.GRPC, name: 'grpc' };
  const entry = serve(rig, [{ name: 'web', port: address.port }], grpc);
  const session = http2.connect(`http://127.0.0.1:${entry}`);
  rig.defer(() => session.destroy());
  const message = Buffer.from('\0\0\0\0\x02hi');
  const call = session.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const trailers = once(call, 'trailers');
  const chunks: Buffer[] = [];
  call.on('data', (chunk: Buffer) => chunks.push(chunk));
  call.write(message);
  await rig.until(() => chunks.length > 0, 'the first message, before the request ends');
  call.end(message);
  const [got] = (await rig.result(trailers, 'trailers')) as [http2.IncomingHttpHeaders];
  assert.deepEqual([got['grpc-status'], got['grpc-message']], ['0', 'fine']);
  assert.equal(Buffer.concat(chunks).toString(), '\0\0\0\0\x02hi\0\0\0\0\x02hi');

  const rule = { to: [{ attributes: [{ field: 'paths', values: ['/a.B/*'] }] }] };
  const policy = { namespace: 'shop', name: 'p', action: access.AuthorizationPolicy_Action.DENY, rules: [rule] };
  rig.configure({ destinations: [destination('web', grpc, { access: { policies: [policy] } })] });
  const refused = session.request({ ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' });
  refused.end(message);
  refused.resume();
  const [head] = (await rig.result(once(refused, 'response'), 'a refusal')) as [http2.IncomingHttpHeaders];
  assert.deepEqual([head[':status'], head['grpc-status'], head['grpc-message']], [200, '7', 'RBAC: access denied']);
  assert.match(rig.metrics, /istio_request_messages_total\{[^}]*\} 2/);
});

test('a WebSocket’s bytes pass until one side ends', async () => {
  await using rig = await WaypointRig.open();
  const server = http.createServer();
  server.on('upgrade', (request, socket: net.Socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\n',
    );
    assert.equal(request.headers.upgrade, 'websocket');
    socket.on('data', (chunk) => socket.write(`echo ${chunk.toString()}`));
    socket.on('end', () => socket.end('bye'));
    socket.on('error', () => {});
  });
  server.listen(0);
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const entry = serve(rig, [{ name: 'web', port: address.port }]);
  const socket = net.connect({ host: '127.0.0.1', port: entry, allowHalfOpen: true });
  rig.defer(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  socket.write(
    'GET /chat HTTP/1.1\r\nHost: web\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await rig.until(() => text.includes('\r\n\r\n'), 'the upgrade');
  assert.match(text, /^HTTP\/1\.1 101 /);
  socket.write('one');
  await rig.until(() => text.endsWith('echo one'), 'an echo');
  socket.end();
  await rig.until(() => text.endsWith('bye'), 'the end');
  await rig.until(() => / 101 /.test(rig.accessLog), 'the log line');
});

test('100-continue and early hints come from the backend', async () => {
  await using rig = await WaypointRig.open();
  const web = await backend(rig, 'web', (request, response) => {
    request.resume();
    request.on('end', () => response.end('done'));
  });
  const entry = serve(rig, [web]);
  const request = http.request({
    host: '127.0.0.1',
    port: entry,
    method: 'PUT',
    agent: false,
    headers: { expect: '100-continue', 'content-length': 4 },
  });
  let hasContinued = false;
  request.on('continue', () => {
    hasContinued = true;
    request.end('body');
  });
  const status = new Promise<number>((resolve, reject) => {
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
  });
  request.flushHeaders();
  assert.equal(await rig.result(status, 'an answer after 100'), 200);
  assert.equal(hasContinued, true);
});

test('a sampled request is told to the collector, and the backend goes on with the trace', async () => {
  await using rig = await WaypointRig.open();
  const seen: unknown[] = [];
  const web = await backend(rig, 'web', (request, response) => {
    seen.push(request.headers['traceparent']);
    response.end('traced');
  });
  const server = http2.createServer();
  const exported: Buffer[] = [];
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    assert.equal(headers[':path'], '/opentelemetry.proto.collector.trace.v1.TraceService/Export');
    stream.on('data', (chunk: Buffer) => exported.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true });
    });
  });
  server.listen(0);
  rig.defer(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const entry = serve(
    rig,
    [web, { name: 'otel', port: address.port }],
    {},
    {},
    {
      enabled: true,
      samplePerTenThousand: 10_000,
      otlpServiceHostname: 'otel.shop.svc.cluster.local',
      otlpServicePort: 80,
    },
  );
  assert.equal((await rig.fetch(entry, '/traced')).body, 'traced');
  await rig.until(() => exported.length > 0, 'the spans');
  const traceId = /^00-([0-9a-f]{32})-/.exec(String(seen[0]))?.[1] ?? 'none';
  assert.ok(Buffer.concat(exported).includes(Buffer.from(traceId, 'hex')));
});

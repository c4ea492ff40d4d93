/** Messages of every protocol of Node’s clients through a tunnel, a waypoint and real sockets to Node’s servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';
import { access, proxy as messages } from '@ambit/api';
import { destination } from '../data/test-support/mesh-messages.ts';
import { WaypointRig } from '../data/test-support/waypoint-rig.ts';
import { serve, backend } from './test-support/live-backends.ts';

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

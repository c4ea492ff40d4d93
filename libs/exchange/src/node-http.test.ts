/** node:http and node:http2 on both sides of a proxy made of this library's connections, over real sockets. */
import assert from 'node:assert/strict';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';

import { SocketRig } from './test-support/socket-rig.ts';
import { TrivialPool, TrivialProxy } from './test-support/trivial-proxy.ts';

type Version = 'HTTP/1.1' | 'HTTP/2';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly informational: readonly number[];
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Buffer[];
}

/** Answers what the path says. */
function serveEcho(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  if (request.url === '/early') {
    response.writeHead(413, { 'content-type': 'text/plain' });
    response.end('too much');
    request.resume();
    return;
  }
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('error', () => {});
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (request.url === '/204') {
      response.statusCode = 204;
      response.end();
    } else if (request.url === '/hints' && request.httpVersionMajor === 1) {
      response.writeEarlyHints({ link: '</a>; rel=preload' });
      response.end('hinted');
    } else if (request.url === '/trailers') {
      response.setHeader('Trailer', 'x-sum');
      response.write(body);
      response.addTrailers({
        'x-sum': String(body.length),
        'x-request-trailer': String(request.trailers['x-t'] ?? ''),
      });
      response.end();
    } else if (request.url === '/chunks') {
      response.write('one,');
      setImmediate(() => response.end('two'));
    } else {
      response.setHeader('x-method', request.method ?? '');
      response.setHeader('x-seen', String(request.headers['x-sent'] ?? ''));
      response.setHeader('x-host', String(request.headers.host ?? request.headers[':authority'] ?? ''));
      response.setHeader('content-length', String(body.length));
      response.end(body);
    }
  });
}

/** The compatibility API of node:http2 has the same shape. */
const serveEchoHttp2 = serveEcho as unknown as (
  request: http2.Http2ServerRequest,
  response: http2.Http2ServerResponse,
) => void;

class Setup {
  readonly rig: SocketRig;
  readonly proxyPort: number;
  readonly pool: TrivialPool;
  readonly proxy: TrivialProxy;
  readonly #front: Version;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #session: http2.ClientHttp2Session | undefined;

  constructor(rig: SocketRig, front: Version, back: Version, backendPort: number) {
    this.rig = rig;
    this.#front = front;
    this.pool = new TrivialPool(rig.loop, backendPort, back);
    this.proxy = new TrivialProxy(this.pool);
    this.proxyPort = rig.serve(this.proxy);
    rig.defer(() => {
      this.#agent.destroy();
      this.#session?.destroy();
      this.pool.close();
    });
  }

  ask(ask: Ask): Promise<Answer> {
    const answer = this.#front === 'HTTP/2' ? this.#askHttp2(ask) : this.#askHttp1(ask);
    return this.rig.result(answer, `${ask.method ?? 'GET'} ${ask.path ?? '/'}`);
  }

  get session(): http2.ClientHttp2Session {
    this.#session ??= http2.connect(`http://127.0.0.1:${this.proxyPort}`);
    return this.#session;
  }

  #askHttp1(ask: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { method = 'GET', path = '/', headers = {}, body } = ask;
      const options = { port: this.proxyPort, host: '127.0.0.1', method, path, headers, agent: this.#agent };
      const informational: number[] = [];
      const request = http.request(options, (response) => {
        collect(response, reject, (text) => {
          const { statusCode = 0, trailers } = response;
          resolve({ status: statusCode, headers: response.headers, body: text, trailers, informational });
        });
      });
      request.on('information', (info) => informational.push(info.statusCode));
      request.on('error', reject);
      for (const part of body ?? []) request.write(part);
      if (headers['trailer'] !== undefined) request.addTrailers({ 'x-t': 'sent' });
      request.end();
    });
  }

  #askHttp2(ask: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { method = 'GET', path = '/', headers = {}, body } = ask;
      const waitForTrailers = headers['trailer'] !== undefined;
      const stream = this.session.request(
        { ':method': method, ':path': path, ...headers },
        { endStream: body === undefined && !waitForTrailers, waitForTrailers },
      );
      const informational: number[] = [];
      let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
      let trailers = {};
      stream.on('headers', (fields) => informational.push(Number(fields[':status'])));
      stream.on('response', (fields) => (head = fields));
      stream.on('trailers', (fields) => (trailers = fields));
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': 'sent' }));
      collect(stream, reject, (text) => {
        resolve({ status: Number(head[':status']), headers: head, body: text, trailers, informational });
      });
      if (body === undefined && !waitForTrailers) return;
      for (const part of body ?? []) stream.write(part);
      stream.end();
    });
  }
}

function collect(
  stream: Duplex | IncomingMessage,
  reject: (error: Error) => void,
  resolve: (text: string) => void,
): void {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')));
  stream.on('error', reject);
}

const versions: readonly Version[] = ['HTTP/1.1', 'HTTP/2'];

for (const front of versions) {
  for (const back of versions) {
    test(`node peers: ${front} to ${back}`, async (context) => {
      await using rig = new SocketRig();
      const backend = back === 'HTTP/2' ? http2.createServer(serveEchoHttp2) : http.createServer(serveEcho);
      const setup = new Setup(rig, front, back, await rig.listenNode(backend));
      const big = Buffer.alloc(3_000_000, '0123456789abcdef');

      await context.test('requests and answers', async () => {
        for (const method of ['GET', 'DELETE', 'OPTIONS']) {
          const answer = await setup.ask({ method, path: '/p?q=%20', headers: { 'x-sent': 'yes', host: 'h.test' } });
          assert.deepEqual([answer.status, answer.headers['x-method'], answer.headers['x-seen']], [200, method, 'yes']);
          assert.equal(answer.headers['x-host'], 'h.test');
        }
        const head = await setup.ask({ method: 'HEAD', path: '/' });
        assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '0']);
        assert.equal((await setup.ask({ path: '/204' })).status, 204);
        assert.equal((await setup.ask({ path: '/chunks' })).body, 'one,two');
      });
      await context.test('bodies', async () => {
        for (const body of [[Buffer.from('small')], [Buffer.from('a'), Buffer.from('b')], [big], [big, big]]) {
          const answer = await setup.ask({ method: 'POST', body });
          assert.equal(answer.body === Buffer.concat(body).toString('latin1'), true, `${answer.body.length} bytes`);
        }
        const sized = await setup.ask({
          method: 'PUT',
          body: [Buffer.from('12345')],
          headers: { 'content-length': '5' },
        });
        assert.equal(sized.body, '12345');
      });
      await context.test('trailers', async () => {
        const body = [Buffer.from('abc')];
        const answer = await setup.ask({
          method: 'POST',
          path: '/trailers',
          body,
          headers: { te: 'trailers', trailer: 'x-t' },
        });
        assert.deepEqual([answer.body, answer.trailers['x-sum']], ['abc', '3']);
        assert.equal(answer.trailers['x-request-trailer'], 'sent');
      });
      await context.test(
        'early hints',
        { skip: back === 'HTTP/2' ? 'the HTTP/2 backend of this test sends none' : false },
        async () => {
          const answer = await setup.ask({ path: '/hints' });
          assert.deepEqual([answer.body, answer.informational], ['hinted', [103]]);
        },
      );
      await context.test('many requests at once', async () => {
        const answers = await Promise.all(
          Array.from({ length: 60 }, (_, i) =>
            setup.ask({ method: 'POST', path: `/${i}`, body: [Buffer.from(String(i))] }),
          ),
        );
        assert.deepEqual(
          answers.map((answer) => answer.body),
          Array.from({ length: 60 }, (_, i) => String(i)),
        );
      });
      await context.test('an early answer', async () => {
        const answer = await setup.ask({ method: 'POST', path: '/early', body: [Buffer.from('some')] });
        assert.deepEqual([answer.status, answer.body], [413, 'too much']);
        assert.equal((await setup.ask({ path: '/' })).status, 200);
      });
      assert.ok(setup.proxy.requests > 70);
      if (back === 'HTTP/1.1' && front === 'HTTP/1.1') assert.ok(setup.pool.dials < 30, 'connections are used again');
      if (back === 'HTTP/2') assert.ok(setup.pool.dials <= 2, `${setup.pool.dials} connections`);
    });
  }
}

test('a client that goes away stops the request at the server behind', async () => {
  await using rig = new SocketRig();
  let isCut = false;
  let isThere = false;
  const backend = http.createServer((request, response) => {
    isThere = true;
    response.write('first');
    request.on('close', () => (isCut = true));
    response.on('close', () => (isCut = true));
  });
  const setup = new Setup(rig, 'HTTP/2', 'HTTP/1.1', await rig.listenNode(backend));
  const stream = setup.session.request({ ':path': '/' });
  stream.on('error', () => {});
  stream.on('data', () => {});
  await rig.until(() => isThere, 'the request at the backend');
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await rig.until(() => isCut, 'the end of the request at the backend');
});

test('a WebSocket handshake and its bytes pass', async () => {
  await using rig = new SocketRig();
  const backend = http.createServer();
  backend.on('upgrade', (request, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Key: ');
    socket.write(`${request.headers['sec-websocket-key']}\r\n\r\nhello `);
    socket.on('data', (data: Buffer) => socket.write(data.toString().toUpperCase()));
    socket.on('end', () => socket.end('bye'));
  });
  const setup = new Setup(rig, 'HTTP/1.1', 'HTTP/1.1', await rig.listenNode(backend));
  const client = net.connect({ port: setup.proxyPort, host: '127.0.0.1', allowHalfOpen: true });
  let received = '';
  let isEnded = false;
  client.on('data', (data) => (received += String(data)));
  client.on('end', () => (isEnded = true));
  client.write(
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k1\r\n\r\nearly ',
  );
  await rig.until(() => received.includes('EARLY'), 'bytes both ways');
  assert.match(received, /^HTTP\/1\.1 101 .*x-key: k1\r\n.*\r\n\r\nhello EARLY $/s);
  client.end('last');
  await rig.until(() => isEnded, 'the end');
  assert.ok(received.endsWith('LASTbye'), received.slice(-20));
});

test('a server that is gone or speaks something else is an error of its exchange', async () => {
  await using rig = new SocketRig();
  const closed = http.createServer();
  const port = await rig.listenNode(closed);
  closed.close();
  const gone = new Setup(rig, 'HTTP/1.1', 'HTTP/1.1', port);
  const answer = await gone.ask({ path: '/' });
  assert.equal(answer.status, 502);
  assert.match(String(answer.headers['x-error']), /^(?:refused|lost)$/);
});

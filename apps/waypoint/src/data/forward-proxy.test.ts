/** TCP through forward proxies, as a DestinationRule's tunnel asks, with Node's servers as proxies. */
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import type { Duplex } from 'node:stream';
import { proxy as proxyMessages, type traffic, workload as api } from '@ambit/api';
import { listenOnLoopback, makeTestCa } from '@ambit/testing';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

type TrafficInit = MessageInitShape<typeof traffic.TrafficPolicySchema>;
const { Protocol } = proxyMessages;
const vip = '10.9.0.1';
const http2Version = 2;
const ca = makeTestCa();
const leaf = ca.issue(undefined, { dnsNames: ['proxy.example'] });
const material = { cert: leaf.certificateChainPem, key: leaf.privateKeyPem };
const tunnel = { host: 'db.example', port: 5432 };

/** What proxies were asked, and what they do with the bytes: in capitals, until the client ends. */
class Asked {
  readonly requests: string[] = [];
  readonly #rig: WaypointRig;

  constructor(rig: WaypointRig) {
    this.#rig = rig;
  }

  echo(from: Duplex | http.IncomingMessage, to: Duplex | http.ServerResponse): void {
    this.#rig.defer(() => (from.destroy(), to.destroy()));
    from.on('error', () => {});
    to.on('error', () => {});
    from.on('data', (bytes: Buffer) => void to.write(bytes.toString().toUpperCase()));
    from.on('end', () => void to.end());
  }
}

type ProxyServer = (asked: Asked) => net.Server;

function connectServer(server: http.Server | https.Server, asked: Asked): net.Server {
  server.on('connect', (request: http.IncomingMessage, socket: Duplex) => {
    asked.requests.push(`${request.method} ${request.url} ${request.headers.host}`);
    // The first bytes follow the head in one piece.
    socket.write('HTTP/1.1 200 OK\r\n\r\nready ');
    asked.echo(socket, socket);
  });
  return server;
}

function http2Server(asked: Asked): net.Server {
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    asked.requests.push(`${headers[':method']} ${headers[':path'] ?? '-'} ${headers[':authority']}`);
    stream.respond({ ':status': 200 });
    stream.write('ready ');
    asked.echo(stream, stream);
  });
  return server;
}

const kinds: readonly (readonly [what: string, open: ProxyServer, policy: TrafficInit, request: string])[] = [
  [
    'HTTP/1.1',
    (asked) => connectServer(http.createServer(), asked),
    { tunnel },
    'CONNECT db.example:5432 db.example:5432',
  ],
  [
    'HTTP/1.1 with TLS',
    (asked) => connectServer(https.createServer({ ...material, ALPNProtocols: ['http/1.1'] }), asked),
    { tunnel, tls: { rootsPem: Buffer.from(ca.rootsPem), serverName: 'proxy.example' } },
    'CONNECT db.example:5432 db.example:5432',
  ],
  ['HTTP/2', http2Server, { tunnel, httpVersion: http2Version }, 'CONNECT - db.example:5432'],
  [
    'HTTP/1.1 by POST',
    (asked) =>
      http.createServer((request, response) => {
        asked.requests.push(`${request.method} ${request.url} ${request.headers.host}`);
        response.write('ready ');
        asked.echo(request, response);
      }),
    { tunnel: { ...tunnel, byPost: true } },
    'POST / db.example:5432',
  ],
  [
    'HTTP/2 by POST',
    http2Server,
    { tunnel: { ...tunnel, byPost: true }, httpVersion: http2Version },
    'POST / db.example:5432',
  ],
];

async function serve(rig: WaypointRig, server: net.Server, policy: TrafficInit): Promise<number> {
  rig.defer(() => server.close());
  const port = await listenOnLoopback(server);
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: port }, { tunnelProtocol: api.TunnelProtocol.NONE }));
  const [name, bytes] = destination('web', { protocol: Protocol.TCP, traffic: policy });
  const telemetry = { accessLog: { enabled: true } };
  rig.configure({ proxy: proxy({ destinations: [name], telemetry }), destinations: [[name, bytes]] });
  return rig.entry(`${vip}:80`);
}

function client(rig: WaypointRig, port: number): { readonly socket: net.Socket; text: string; isOver: boolean } {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  rig.defer(() => socket.destroy());
  const state = { socket, text: '', isOver: false };
  socket.on('data', (bytes) => (state.text += bytes.toString()));
  socket.on('close', () => (state.isOver = true));
  socket.on('end', () => (state.isOver = true));
  socket.on('error', () => {});
  return state;
}

for (const [what, open, policy, request] of kinds)
  test(`connections go through a forward proxy of ${what}, both ways, with their ends`, async () => {
    await using rig = await WaypointRig.open();
    const asked = new Asked(rig);
    const one = client(rig, await serve(rig, open(asked), policy));
    await rig.until(() => one.text === 'ready ', 'the first word of the other side');
    one.socket.write('hello ');
    await rig.until(() => one.text === 'ready HELLO ', 'an answer');
    one.socket.end('x'.repeat(200_000));
    await rig.until(() => one.isOver, 'the end');
    assert.equal(one.text, `ready HELLO ${'X'.repeat(200_000)}`);
    assert.deepEqual(asked.requests, [request]);
  });

const failing: readonly (readonly [
  what: string,
  answer: string,
  limits: MessageInitShape<typeof traffic.ConnectionLimitsSchema>,
  flag: RegExp,
])[] = [
  [
    'that refuses',
    'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n',
    {},
    /UF.*the forward proxy answered 403 to CONNECT/,
  ],
  ['that speaks no HTTP', '220 smtp\r\n\r\n', {}, /UF/],
  ['that says nothing', '', { connectTimeout: { nanos: 50_000_000 } }, /UF.*the forward proxy did not answer in time/],
];
for (const [what, answer, limits, flag] of failing)
  test(`a forward proxy ${what} ends the client's connection`, async () => {
    await using rig = await WaypointRig.open();
    let ended = 0;
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('close', () => (ended += 1));
      if (answer !== '') socket.once('data', () => socket.write(answer));
      rig.defer(() => socket.destroy());
    });
    const one = client(rig, await serve(rig, server, { tunnel, limits }));
    await rig.until(() => one.isOver && ended === 1, 'the ends');
    assert.equal(one.text, '');
    await rig.until(() => rig.accessLog !== '', 'the line');
    assert.match(rig.accessLog, flag);
  });

test('requests go to the proxy itself', async () => {
  await using rig = await WaypointRig.open();
  const backend = await rig.backend((request, response) => void response.end(`${request.method} ${request.url}`));
  const [name, bytes] = destination('web', { traffic: { tunnel } });
  rig.mesh(
    service('web', vip),
    pod('web', '127.0.0.1', { web: backend.port }, { tunnelProtocol: api.TunnelProtocol.NONE }),
  );
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  assert.equal((await rig.fetch(rig.entry(`${vip}:80`), '/x')).body, 'GET /x');
});

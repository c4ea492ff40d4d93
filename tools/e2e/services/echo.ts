/**
 * The service that is called. Says who called and who answers.
 * - 8080: HTTP, a JSON object
 * - 9000: TCP, a greeting, then every byte comes back
 * - 9090: gRPC, `grpc.health.v1.Health/Check`
 * A file `/tmp/unready` makes it unready. SIGTERM ends it when its open requests are answered.
 */
import { existsSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';

const NOTICE_MS = 2_000;
const FAREWELL_MS = 5_000;
/** One gRPC message: uncompressed, two bytes, field 1 = SERVING. */
const SERVING = Buffer.of(0, 0, 0, 0, 2, 8, 1);
const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');
let isEnding = false;

const http = createHttpServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const { remoteAddress, localAddress } = request.socket;
  const body = JSON.stringify({
    pod: hostname(),
    client: plain(remoteAddress),
    server: plain(localAddress),
    path: request.url,
  });
  const isReady = request.url !== '/ready' || !existsSync('/tmp/unready');
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  response.writeHead(isReady ? 200 : 503, isEnding ? { ...headers, connection: 'close' } : headers);
  response.end(body);
}).listen({ port: 8080, host: '::', backlog: 1024 });

const sockets = new Set<Socket>();
createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  socket.on('error', () => socket.destroy());
  socket.write(`${hostname()} sees ${plain(socket.remoteAddress)}\n`);
  socket.pipe(socket);
}).listen({ port: 9000, host: '::', backlog: 1024 });

createHttp2Server()
  .on('stream', (stream: ServerHttp2Stream) => {
    stream.resume();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(SERVING);
  })
  .listen({ port: 9090, host: '::' });

process.on('SIGTERM', () => {
  isEnding = true;
  for (const socket of sockets) socket.end();
  // Callers on kept connections are told with their next answer; closing one at once could cross their next request.
  setTimeout(() => {
    http.close(() => process.exit(0));
    http.closeIdleConnections();
  }, NOTICE_MS);
  setTimeout(() => process.exit(0), NOTICE_MS + FAREWELL_MS).unref();
});

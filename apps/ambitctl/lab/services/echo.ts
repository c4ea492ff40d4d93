/**
 * Says who called, and who answers (`echo.ts NAME`). Port 8080 answers HTTP with a JSON object; port 9000 greets with the caller's address and then gives
 * back every byte.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { hostname } from 'node:os';

const pod = process.argv[2] ?? hostname();
const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');

createHttpServer((request, response) => {
  const { remoteAddress, localAddress } = request.socket;
  const body = JSON.stringify({ pod, client: plain(remoteAddress), server: plain(localAddress), path: request.url });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}).listen({ port: 8080, host: '::', backlog: 1024 });

createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.write(`${pod} sees ${plain(socket.remoteAddress)}\n`);
  socket.pipe(socket);
}).listen({ port: 9000, host: '::', backlog: 1024 });

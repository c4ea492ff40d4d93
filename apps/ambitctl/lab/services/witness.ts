/**
 * An HTTP service that remembers what it read (`witness.ts`, port 8080). `/big?bytes=N` answers so much, `/sink` reads a body and
 * says how much it was, `/deaf` never reads nor answers, everything else is answered at once. From the pod itself: GET /seen
 * gives the requests as JSON, and what could not be read as one; POST /forget forgets them.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

interface Seen {
  readonly requests: string[];
  readonly unreadable: string[];
}

const maxRemembered = 100_000;
const chunk = Buffer.alloc(64 * 1024, 'x');
let seen: Seen = { requests: [], unreadable: [] };

const server = createServer((request, response) => {
  const { url = '', method = '' } = request;
  const isLocal = request.socket.remoteAddress?.endsWith('127.0.0.1') === true;
  if (isLocal && url === '/seen') return void response.end(JSON.stringify(seen));
  if (isLocal && url === '/forget') {
    seen = { requests: [], unreadable: [] };
    return void response.end();
  }
  if (seen.requests.length < maxRemembered) seen.requests.push(`${method} ${url} ${request.headers['host'] ?? ''}`);
  if (url.startsWith('/big')) return answerBig(Number(/bytes=(\d+)/.exec(url)?.[1] ?? 0), response);
  if (url.startsWith('/deaf')) return;
  if (url.startsWith('/sink')) return countBody(request, response);
  request.resume();
  response.end(`${method} ${url}\n`);
});
server.on('clientError', (error: Error & { readonly code?: string }, socket) => {
  // Only what the parser refuses is another reading: a connection cut in a request's middle or before its answer (EPIPE) is none.
  const code = error.code ?? error.message;
  const isReading = code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
  if (isReading && seen.unreadable.length < maxRemembered) seen.unreadable.push(code);
  socket.destroy();
});
server.requestTimeout = 0;
server.listen({ port: 8080, host: '::', backlog: 4096 });

function answerBig(bytes: number, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': bytes });
  let left = bytes;
  const write = (): void => {
    while (left > 0) {
      const size = Math.min(left, chunk.length);
      left -= size;
      if (!response.write(chunk.subarray(0, size))) return void response.once('drain', write);
    }
    response.end();
  };
  write();
}

function countBody(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on('data', (part: Buffer) => (bytes += part.length));
  request.on('end', () => response.end(String(bytes)));
  request.on('error', () => {});
}

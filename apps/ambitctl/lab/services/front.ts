/**
 * An HTTP service with moods (`front.ts NAME [MOOD]`): says on port 8080 who answers. Moods: `well`, `ill` (503 to everything),
 * `fickle` (503 to every second request). From the pod itself: POST /mood/NAME changes it, GET /count tells how many
 * requests have come.
 */
import { createServer } from 'node:http';

const [name = 'front', first = 'well'] = process.argv.slice(2);
let mood = first;
let count = 0;

createServer((request, response) => {
  const isLocal = request.socket.remoteAddress?.endsWith('127.0.0.1') === true;
  if (isLocal && request.url?.startsWith('/mood/')) {
    mood = request.url.slice('/mood/'.length);
    response.end(`${mood}\n`);
    return;
  }
  if (isLocal && request.url === '/count') {
    response.end(`${count}\n`);
    return;
  }
  count += 1;
  const isFailing = mood === 'ill' || (mood === 'fickle' && count % 2 === 0);
  const body = JSON.stringify({ pod: name, path: request.url, headers: request.headers });
  response.writeHead(isFailing ? 503 : 200, { 'content-type': 'application/json' });
  response.end(body);
}).listen({ port: 8080, host: '::', backlog: 1024 });

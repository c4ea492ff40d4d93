/** `/healthz` says that the process answers, `/readyz` that pods can be enrolled. */
import { createServer, type Server } from 'node:http';
import type { Readiness } from '@ambit/runtime';

export function serveHealth(port: number, readiness: Readiness): Server {
  const server = createServer((request, response) => {
    const isKnown = request.url === '/healthz' || request.url === '/readyz';
    const isOk = request.url === '/healthz' || readiness.isReady;
    response.writeHead(!isKnown ? 404 : isOk ? 200 : 503, { 'content-type': 'text/plain' });
    response.end(isKnown && !isOk ? `waiting for ${readiness.pending().join(', ')}\n` : 'ok\n');
  });
  server.listen(port, '::');
  return server;
}

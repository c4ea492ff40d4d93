/** `GET /healthz/ready` on port 15021, a listener of its own so that a slow scrape cannot hurt it. Istio: contract data-plane 7.5. */
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { Readiness } from '@ambit/runtime';

export function createReadinessServer(readiness: Readiness): Server {
  return createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    let status = 404;
    let body = 'Not Found\n';
    if (path === '/healthz/ready') {
      if (request.method !== 'GET' && request.method !== 'HEAD') [status, body] = [405, 'Invalid HTTP method\n'];
      else if (readiness.isReady) [status, body] = [200, 'ready\n'];
      else [status, body] = [500, `not ready, pending: ${readiness.pending().join(', ')}\n`];
    }
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length });
    response.end(body);
  });
}

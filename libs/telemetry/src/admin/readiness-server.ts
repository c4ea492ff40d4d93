import { createServer, type RequestListener, type Server } from 'node:http';
import type { Readiness } from '@ambit/runtime';

/** `GET /healthz/ready`, on a listener of its own so that a slow scrape cannot hurt it. Istio: contract data-plane 7.5. */
export function createReadinessServer(readiness: Readiness, notReadyStatus: 500 | 503): Server {
  return createServer(readinessHandler(readiness, notReadyStatus));
}

/** `notReadyStatus`: 500 of a ztunnel, 503 of an agent of Envoy. */
export function readinessHandler(readiness: Readiness, notReadyStatus: 500 | 503): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?', 1)[0];
    let status = 404;
    let body = 'Not Found\n';
    if (path === '/healthz/ready') {
      if (request.method !== 'GET' && request.method !== 'HEAD') [status, body] = [405, 'Invalid HTTP method\n'];
      else [status, body] = [readiness.isReady ? 200 : notReadyStatus, readiness.describe()];
    }
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length });
    response.end(body);
  };
}

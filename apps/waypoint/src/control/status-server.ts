/** Metrics on 15020 and readiness on 15021. Paths and texts are Istio's. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Readiness } from '@ambit/runtime';
import { metricsHandler, type MetricRegistry } from '@ambit/telemetry';

/** `/stats/prometheus`, and `/metrics` for the habit; readiness under its second name as well. */
export function createStatsServer(registry: MetricRegistry, readiness: Readiness): Server {
  const metrics = metricsHandler(registry);
  const ready = readinessHandler(readiness);
  return createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === '/healthz/ready') ready(request, response);
    else metrics(request, response);
  });
}

/** `GET /healthz/ready`, on a listener of its own so that a slow scrape cannot hurt it. */
export function createReadinessServer(readiness: Readiness): Server {
  return createServer(readinessHandler(readiness));
}

function readinessHandler(readiness: Readiness): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?', 1)[0];
    let status = 404;
    let body = 'Not Found\n';
    if (path === '/healthz/ready') {
      if (request.method !== 'GET' && request.method !== 'HEAD') [status, body] = [405, 'Invalid HTTP method\n'];
      else if (readiness.isReady) [status, body] = [200, 'ready\n'];
      else [status, body] = [503, `not ready, pending: ${readiness.pending().join(', ')}\n`];
    }
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length });
    response.end(body);
  };
}

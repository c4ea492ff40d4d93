import { createServer, type Server } from 'node:http';
import type { Readiness } from '@ambit/runtime';
import { metricsHandler, type MetricRegistry, readinessHandler } from '@ambit/telemetry';

/** Port 15020: `/stats/prometheus`, and `/metrics` for the habit; readiness under its second name as well. Paths are Istio's. */
export function createStatsServer(registry: MetricRegistry, readiness: Readiness, notReadyStatus: 500 | 503): Server {
  const metrics = metricsHandler(registry);
  const ready = readinessHandler(readiness, notReadyStatus);
  return createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === '/healthz/ready') ready(request, response);
    else metrics(request, response);
  });
}

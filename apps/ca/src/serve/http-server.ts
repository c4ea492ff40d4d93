import type { Readiness } from '@ambit/runtime';
import { type MetricRegistry, metricsHandler } from '@ambit/telemetry';
import { type FastifyInstance, fastify } from 'fastify';
import type { AuditTrail } from './audit-trail.ts';

/** What the HTTP port shows. */
export interface HttpServerParts {
  readonly readiness: Readiness;
  readonly registry: MetricRegistry;
  readonly audit: AuditTrail;
}

/** Builds the operator's port: `/ready`, `/metrics`, `/audit` (JSON lines, oldest first). It does not listen yet. */
export function buildHttpServer(parts: HttpServerParts): FastifyInstance {
  const server = fastify({ logger: false, bodyLimit: 1024 });
  server.get('/ready', (_request, reply) => {
    void reply.code(parts.readiness.isReady ? 200 : 503).type('text/plain');
    return parts.readiness.describe();
  });
  server.get('/audit', (_request, reply) => {
    void reply.type('application/x-ndjson');
    return parts.audit
      .tail()
      .map((entry) => `${JSON.stringify(entry)}\n`)
      .join('');
  });
  const scrape = metricsHandler(parts.registry);
  server.get('/metrics', (request, reply) => {
    reply.hijack();
    scrape(request.raw, reply.raw);
  });
  return server;
}

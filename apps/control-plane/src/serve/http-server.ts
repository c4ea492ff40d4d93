import { compareReports, formatReport, type SourceReport } from '@ambit/kube';
import type { Readiness } from '@ambit/runtime';
import { type MetricRegistry, metricsHandler } from '@ambit/telemetry';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { describeMesh } from '../derive/describe-mesh.ts';
import type { MeshCollections } from '../derive/mesh-collections.ts';
import type { TokenJudge } from './token-judge.ts';
import type { XdsConnections } from './xds-connections.ts';

export interface HttpServerParts {
  readonly readiness: Readiness;
  readonly mesh: MeshCollections;
  readonly reports: () => readonly SourceReport[];
  readonly connections: XdsConnections;
  /** For callers from elsewhere; undefined: `/debug` answers loopback only. */
  readonly tokens: TokenJudge | undefined;
  /** Namespace whose service accounts may read `/debug`. */
  readonly systemNamespace: string;
}

/**
 * The operator's port: `/ready` for everybody; `/debug/config`, `/debug/reports` and `/debug/syncz` for loopback and
 * for tokens of the system namespace. It does not listen yet. Spec: control-plane.md section 9.6.
 */
export function buildHttpServer(parts: HttpServerParts): FastifyInstance {
  const server = fastify({ logger: false, bodyLimit: 1024 });
  server.get('/ready', (_request, reply) => {
    void reply.code(parts.readiness.isReady ? 200 : 503).type('text/plain');
    return parts.readiness.describe();
  });
  server.register((debug, _options, done) => {
    debug.addHook('onRequest', requireOperator(parts));
    debug.get('/debug/config', () => describeMesh(parts.mesh));
    debug.get('/debug/reports', () =>
      parts
        .reports()
        .toSorted(compareReports)
        .map((report) => ({ ...report, text: formatReport(report) })),
    );
    const connections = (): { readonly connections: unknown } => ({ connections: parts.connections.list() });
    debug.get('/debug/syncz', connections);
    debug.get('/debug/xds', connections);
    done();
  });
  return server;
}

/** The metrics port, on its own listener so that a slow scrape cannot hurt readiness. */
export function buildMetricsServer(registry: MetricRegistry): FastifyInstance {
  const server = fastify({ logger: false, bodyLimit: 1024 });
  const scrape = metricsHandler(registry);
  for (const path of ['/metrics', '/stats/prometheus']) {
    server.get(path, (request, reply) => {
      reply.hijack();
      scrape(request.raw, reply.raw);
    });
  }
  return server;
}

function requireOperator(parts: HttpServerParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const address = request.socket.remoteAddress ?? '';
    if (address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')) return;
    const verdict = await parts.tokens?.verify(request.headers.authorization);
    if (verdict?.kind !== 'verified')
      await reply.code(401).type('text/plain').send('authenticate with a bearer token\n');
    else if (verdict.namespace !== parts.systemNamespace)
      await reply.code(403).type('text/plain').send('not permitted\n');
  };
}

/** Assembles the control plane from its parts and runs it until it is disposed. */
import type { EventBus } from '@ambit/events';
import { healthMethod, RpcPort, TokenVerifier } from '@ambit/grpc';
import { TokenReviewer } from '@ambit/kube';
import { type Clock, Readiness, systemClock, toAmbitError } from '@ambit/runtime';
import { type Logger, type LoggerRoot, MetricRegistry, observeProcess } from '@ambit/telemetry';
import { deltaMethod, DeltaServer, REQUEST_BYTES } from '@ambit/xds';
import type { FastifyInstance } from 'fastify';
import { buildAdmissionServer } from './admission/admission-server.ts';
import type { ControlPlaneConfig } from './config.ts';
import { debugMethod } from './debug/debug-method.ts';
import { describeMesh } from './derive/describe-mesh.ts';
import { runForLeader } from './leader.ts';
import { JwksFetcher } from './l7/jwks-fetcher.ts';
import { RefusalLedger } from './l7/refusal-ledger.ts';
import { type MeshPipeline, openMeshPipeline } from './mesh-pipeline.ts';
import { certificateSource } from './serve/certificate-source.ts';
import { ControlPlaneMetrics } from './serve/control-plane-metrics.ts';
import { buildHttpServer, buildMetricsServer } from './serve/http-server.ts';
import { openServingCertificate, type ServingCertificate } from './serve/serving-certificate.ts';
import { observeSource } from './serve/source-metrics.ts';
import type { StreamRules } from './serve/stream-rules.ts';
import type { TokenJudge } from './serve/token-judge.ts';
import { authenticateXdsCaller } from './serve/xds-callers.ts';
import { XdsConnections } from './serve/xds-connections.ts';
import { type MeshSource, openMeshSource } from './source/mesh-source.ts';

/** What the control plane needs from outside. */
export interface ControlPlaneDependencies {
  /** Only `publish` is used. */
  readonly bus: Pick<EventBus, 'publish'>;
  readonly logger: LoggerRoot;
  readonly clock?: Clock;
  /** Ends the wait for a first certificate. */
  readonly stopping: AbortSignal;
}

/** A control plane that listens. Disposing drains and stops it. */
export interface RunningControlPlane extends AsyncDisposable {
  readonly port: number;
  readonly httpPort: number;
  readonly metricsPort: number;
}

const VERSION = '0.1.0';

interface Serving {
  readonly config: ControlPlaneConfig;
  readonly metrics: ControlPlaneMetrics;
  readonly pipeline: MeshPipeline;
  readonly source: MeshSource;
  readonly tokens: TokenJudge | undefined;
  readonly connections: XdsConnections;
  readonly certificate: ServingCertificate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
}

/**
 * Starts the control plane. HTTP answers before xDS does, because a first certificate may have to be waited for.
 * Rejects if folders, certificate or ports cannot be used.
 */
export async function startControlPlane(
  config: ControlPlaneConfig,
  dependencies: ControlPlaneDependencies,
): Promise<RunningControlPlane> {
  const { bus, stopping, clock = systemClock } = dependencies;
  const logger = dependencies.logger.scope('control-plane');
  await using cleanup = new AsyncDisposableStack();
  const readiness = new Readiness();
  const starting = readiness.pend('listeners');
  const syncing = readiness.pend('first sync');
  const registry = new MetricRegistry();
  cleanup.use(observeProcess(registry));
  const metrics = new ControlPlaneMetrics(registry, clock, VERSION);
  const source = cleanup.use(await openMeshSource(config, logger, clock));
  if (source.kind === 'kubernetes') observeSource(registry, source.source);
  const pipeline = cleanup.use(await openMeshPipeline(config, { bus, logger, metrics, source }));
  const tokens = tokenJudge(config, source, clock);
  const connections = new XdsConnections(clock, metrics, (node, typeUrl, reason) => {
    logger.warn({ node: node.id, typeUrl, reason }, 'client rejected configuration');
    ledger.note(typeUrl, node.namespace, reason);
  });
  const { graph, sources, l7 } = pipeline.mesh;
  const ledger = cleanup.use(new RefusalLedger({ graph, refusals: sources.refusals, destinations: l7.destinations }));

  const { mesh, reports } = pipeline;
  const { systemNamespace, httpAddress } = config;
  const http = buildHttpServer({ readiness, mesh, reports, connections, tokens, systemNamespace });
  const httpPort = await listen(cleanup, http, httpAddress, config.httpPort);
  const metricsPort = await listen(cleanup, buildMetricsServer(registry), httpAddress, config.metricsPort);
  if (source.kind === 'kubernetes') await source.start({ signal: stopping });
  pipeline.follow();
  const { keyPlaces: places, keys } = mesh.l7;
  const { keyFailures: failures } = sources;
  cleanup.use(new JwksFetcher({ graph: mesh.graph, places, keys, failures, log: logger }));
  syncing();
  const certificate = cleanup.use(
    await openServingCertificate(certificateSource(config), {
      clock,
      signal: stopping,
      onError: ({ code, message }) => logger.error({ code, reason: message }, 'no new serving certificate'),
    }),
  );
  const port = await serveXds(cleanup, {
    config,
    metrics,
    pipeline,
    source,
    tokens,
    connections,
    certificate,
    clock,
    logger,
    stopping,
  });
  if (source.kind === 'kubernetes') {
    await serveAdmission(cleanup, config, pipeline, certificate, metrics);
    cleanup.use(runForLeader({ config, kubernetes: source, certificate, mesh, logger, clock }));
  }
  cleanup.defer(() => void readiness.pend('draining'));
  starting();
  const { workloads, services, policies } = mesh;
  const counts = { workloads: workloads.size, services: services.size, policies: policies.size };
  logger.info({ port, httpPort, metricsPort, ...counts }, 'control plane is ready');
  const running = cleanup.move();
  return { port, httpPort, metricsPort, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Opens the port of the webhooks, with the certificate of the xDS port. */
async function serveAdmission(
  cleanup: AsyncDisposableStack,
  config: ControlPlaneConfig,
  pipeline: MeshPipeline,
  certificate: ServingCertificate,
  metrics: ControlPlaneMetrics,
): Promise<void> {
  const { server, update } = buildAdmissionServer({
    mesh: pipeline.mesh.review,
    observer: { judged: ({ errors }) => metrics.validated(errors.length === 0) },
    tls: certificate.material,
  });
  cleanup.use(certificate.onChange(update));
  cleanup.defer(() => server.close());
  await server.listen({ host: config.httpAddress, port: config.webhookPort });
}

/** Opens the xDS port; resolves with its number. */
async function serveXds(cleanup: AsyncDisposableStack, serving: Serving): Promise<number> {
  const { config, metrics, pipeline, source, tokens, connections, certificate, clock, logger, stopping } = serving;
  const { trustDomain, clusterId } = config;
  const onRefused = (peer: string, reason: string): void => logger.warn({ peer, reason }, 'xDS caller refused');
  const authenticate = authenticateXdsCaller({
    tokens,
    rules: streamRules(config, source),
    trustDomain,
    clusterId,
    gatewayOf: (key) => pipeline.mesh.sources.Gateway.get(key),
    onRefused,
  });
  const { store, resolver } = pipeline;
  const delta = cleanup.use(new DeltaServer({ store, resolver, clock, observer: connections, authenticate }));
  metrics.observeStreams({
    slow: () => delta.slowStreams,
    pinnedBytes: () => delta.pinnedBytes,
    sendingBytes: () => delta.sendingBytes,
    encoded: () => delta.encodedResponses,
  });
  // One broken object of one team must not keep a cluster's control plane from starting; files are one hand's work.
  if (!config.servesBroken && source.kind === 'folder') await pipeline.whole({ signal: stopping });
  const rpc = await RpcPort.listen({
    ...config.grpc,
    tls: certificate,
    methods: [
      { path: deltaMethod().path, serve: (call) => delta.accept(call.context, (encoding) => call.open(encoding)) },
      debugMethod({
        authenticate,
        onRefused,
        connections,
        clusterId,
        systemNamespace: config.systemNamespace,
        name: config.replica,
        version: VERSION,
        dumps: { connections: () => connections.list(), config: () => describeMesh(pipeline.mesh) },
      }),
      healthMethod,
    ],
    maxRequestBytes: REQUEST_BYTES,
    onHandlerError: (path, error) => {
      metrics.internalError();
      logger.error({ path, reason: toAmbitError(error).message }, 'handler failed');
    },
  });
  cleanup.defer(() => rpc.stop(config.drainMs));
  return rpc.port;
}

function tokenJudge(config: ControlPlaneConfig, source: MeshSource, clock: Clock): TokenJudge | undefined {
  const { jwksFile, audiences, tokenIssuer: issuer } = config;
  if (jwksFile !== undefined) return new TokenVerifier({ jwksFile, audiences, issuer, clock });
  return source.kind === 'kubernetes' ? new TokenReviewer({ client: source.client, audiences, clock }) : undefined;
}

function streamRules(config: ControlPlaneConfig, source: MeshSource): StreamRules | undefined {
  if (source.kind === 'folder') return undefined;
  const { nodeAccounts, systemNamespace } = config;
  return {
    nodeAccounts: nodeAccounts.length === 0 ? [`${systemNamespace}/ztunnel`] : nodeAccounts,
    view: source.source,
  };
}

async function listen(
  cleanup: AsyncDisposableStack,
  server: FastifyInstance,
  host: string,
  port: number,
): Promise<number> {
  cleanup.defer(() => server.close());
  await server.listen({ host, port });
  const address = server.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

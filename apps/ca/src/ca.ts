/** Assembles the CA from its parts and runs it until it is told to stop. */
import { GrpcServer, healthHandler } from '@ambit/grpc';
import { type Clock, Readiness, systemClock, toAmbitError } from '@ambit/runtime';
import { type Logger, type LoggerRoot, MetricRegistry, observeProcess } from '@ambit/telemetry';
import type { CallerAuthenticator } from './callers/caller.ts';
import { ClientCertificateAuthenticator } from './callers/client-certificate-authenticator.ts';
import { NodeAuthorizer } from './callers/node-authorizer.ts';
import { TokenAuthenticator, type TokenJudge } from './callers/token-authenticator.ts';
import type { CaConfig } from './config.ts';
import { CertificateAuthority } from './issue/certificate-authority.ts';
import { parseServingNames, splitServingNames } from './issue/serving-names.ts';
import { type AuditBus, AuditTrail } from './serve/audit-trail.ts';
import { registerCaMetrics } from './serve/ca-metrics.ts';
import { createCertificateHandler } from './serve/create-certificate.ts';
import { buildHttpServer } from './serve/http-server.ts';
import { ServingCertificate } from './serve/serving-certificate.ts';
import type { CaSource } from './sources/ca-source.ts';
import { openFileSource } from './sources/file-source.ts';
import { openKubernetesSource } from './sources/kubernetes-source.ts';

/** What the CA needs from outside. */
export interface CaDependencies {
  readonly bus: AuditBus;
  readonly logger: LoggerRoot;
  readonly clock?: Clock;
}

/** A CA that listens. Disposing drains and stops it. */
export interface RunningCa extends AsyncDisposable {
  readonly port: number;
  readonly httpPort: number;
  readonly authority: CertificateAuthority;
}

/** A request holds one CSR; 64 KiB is ten times the largest. */
const MAX_REQUEST_BYTES = 64 * 1024;

/**
 * Starts the CA. Rejects if key material, settings or ports cannot be used.
 */
export async function startCa(config: CaConfig, dependencies: CaDependencies): Promise<RunningCa> {
  const clock = dependencies.clock ?? systemClock;
  const logger = dependencies.logger.scope('ca');
  await using cleanup = new AsyncDisposableStack();
  const readiness = new Readiness();
  const listening = readiness.pend('listeners');

  const source = cleanup.use(await openSource(config, clock, logger, readiness));
  const authority = new CertificateAuthority(source.material, clock);
  const audit = new AuditTrail(dependencies.bus, () => clock.wallTimeMs());
  cleanup.use(recordRotation(authority, audit, config.trustDomain, logger));
  source.serve(authority);
  const onError = (error: unknown): void =>
    logger.error({ reason: toAmbitError(error).message }, 'serving certificate not renewed');
  const serving = cleanup.use(
    new ServingCertificate(authority, splitServingNames(serverNamesOf(config)), clock, onError),
  );
  const registry = new MetricRegistry();
  cleanup.use(observeProcess(registry));
  source.observe(registry);
  audit.observe(registry);

  const server = new GrpcServer({
    handlers: [
      createCertificateHandler({
        authority,
        authenticators: authenticatorsOf(config, source.tokens),
        nodeAuthorizer: new NodeAuthorizer({
          trustedAccounts: config.trustedNodeAccounts,
          trustDomain: config.trustDomain,
          clusterId: config.clusterId,
          assignments: source.assignments,
        }),
        lifetimes: { defaultMs: config.defaultTtlMs, maxMs: config.maxTtlMs },
        servingNames: parseServingNames(config.servingNames),
        audit,
        metrics: registerCaMetrics(registry, authority, clock),
        logger,
      }),
      healthHandler((service) => (service === '' ? 'SERVING' : undefined)),
    ],
    maxReceiveBytes: MAX_REQUEST_BYTES,
    onHandlerError: (path, error) => logger.error({ path, reason: toAmbitError(error).message }, 'handler failed'),
  });
  cleanup.defer(() => server.stop(config.drainMs));
  const port = await server.listen({ ...config.grpc, tls: serving.credentials });

  const http = buildHttpServer({ readiness, registry, audit });
  cleanup.defer(() => http.close());
  await http.listen({ host: config.httpAddress, port: config.httpPort });
  const bound = http.server.address();
  const httpPort = typeof bound === 'object' && bound !== null ? bound.port : config.httpPort;
  listening();
  cleanup.defer(() => void readiness.pend('draining'));
  logger.info(
    { port, httpPort, trustDomain: config.trustDomain, roots: authority.material.rootFingerprints },
    'CA is ready',
  );

  const running = cleanup.move();
  return { port, httpPort, authority, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Clients verify the host part of the address they dial, often the address itself. */
function serverNamesOf(config: CaConfig): readonly string[] {
  const { address } = config.grpc;
  const isWildcard = address === '0.0.0.0' || address === '::';
  return [...new Set([...config.serverNames, ...(isWildcard ? [] : [address])])];
}

/** Certificates of the mesh first: they cost no question to the API server. */
function authenticatorsOf(config: CaConfig, judge: TokenJudge | undefined): readonly CallerAuthenticator[] {
  const { trustDomain, clusterId } = config;
  const certificates = new ClientCertificateAuthenticator(trustDomain);
  return judge === undefined
    ? [certificates]
    : [certificates, new TokenAuthenticator({ judge, trustDomain, clusterId })];
}

function openSource(config: CaConfig, clock: Clock, logger: Logger, readiness: Readiness): Promise<CaSource> {
  if (config.source === 'kubernetes') return openKubernetesSource(config, { clock, logger, readiness });
  const onRefused = (error: unknown): void => {
    const { code, message } = toAmbitError(error);
    logger.error({ code, reason: message }, 'changed CA key material refused');
  };
  return Promise.resolve(openFileSource(config, clock, onRefused));
}

/** Keeps audit trail and log in step with the material. */
function recordRotation(
  authority: CertificateAuthority,
  audit: AuditTrail,
  trustDomain: string,
  logger: Logger,
): Disposable {
  return authority.onReplaced((change) => {
    const { addedRoots, removedRoots, isNewSigner } = change;
    logger.info({ addedRoots, removedRoots, isNewSigner }, 'CA key material replaced');
    audit.materialReplaced(change, trustDomain);
  });
}

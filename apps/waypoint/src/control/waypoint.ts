/**
 * The life of an L7 proxy's process.
 *
 * Start: admin, metrics and readiness first, so that a proxy whose control plane is away can be looked at; then certificate and
 * configuration; with the first complete configuration the listeners, and only then readiness.
 * End: readiness fails, listeners close, GOAWAY and `connection: close`, running requests get their time, then the rest is cut.
 * Spec: contract l7 9.3.
 */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { RevocationFile } from '@ambit/hbone';
import { type SpiffeId, makeSpiffeId } from '@ambit/identity';
import { io } from '@ambit/net';
import { TokenBuckets } from '@ambit/routing';
import { abortReason, Readiness, TaskScope, toAmbitError, whenAborted } from '@ambit/runtime';
import {
  answerAdmin,
  closeServer,
  createAdminServer,
  createLogger,
  createReadinessServer,
  listen,
  listenAddress,
  type LoggerRoot,
  logReport,
  LogLevels,
  MetricRegistry,
  observeProcess,
} from '@ambit/telemetry';
import { DeltaClient, type DeltaClientObserver, gatewayNode, grpcConnector, PROXY_TYPE } from '@ambit/xds';
import type { DataSettings, ToWorker } from '../worker-protocol.ts';
import { configDump } from './config-dump.ts';
import { DataWorkers, type WorkerReport } from './data-workers.ts';
import { HostNames } from './host-names.ts';
import { MeshAddresses } from './mesh-addresses.ts';
import { OwnCertificate } from './own-certificate.ts';
import { ProxyState } from './proxy-state.ts';
import { caChannel, controlPlaneChannel } from './server-channel.ts';
import { createStatsServer } from './stats-server.ts';
import type { WaypointConfig } from './waypoint-config.ts';

const SWEEP_MS = 30_000;
/** As of the agent beside an Envoy. */
const NOT_READY_STATUS = 503;
/** With EXIT_ON_ZERO_ACTIVE_CONNECTIONS and no deadline: as long as a pod may take to end, nearly. */
const LONGEST_DRAIN_MS = 3_600_000;

/** Runs until it has drained. Rejects with AmbitError when it cannot start, with NetError `WORKER_DIED` when a worker dies. */
export async function runWaypoint(config: WaypointConfig, stopping: AbortSignal): Promise<void> {
  io.raiseFileLimit();
  const identity = makeSpiffeId({
    trustDomain: config.trustDomain,
    namespace: config.podNamespace,
    serviceAccount: config.serviceAccount,
  });
  const instanceIp = config.instanceIp === '' ? firstAddress() : config.instanceIp;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const quit = new AbortController();
  const levels = new LogLevels(config.logLevels);
  const loggers = createLogger({ format: config.logFormat, levels });
  const log = loggers.scope('waypoint');
  const registry = new MetricRegistry();
  buildMetric(registry, config.istioVersion);
  await using scope = new TaskScope({ onError: (_name, error) => failed.reject(error) });

  const hosts = new HostNames({
    resolve: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
    publish: (hostname, addresses) => workers.post({ kind: 'resolved', hostname, addresses }),
  });
  scope.defer(() => hosts[Symbol.dispose]());
  const workers: DataWorkers = new DataWorkers({
    count: config.workerThreads,
    settings: dataSettings(config, instanceIp, identity),
    onReport: (workerId, report) => takeReport({ registry, loggers, hosts }, workerId, report),
    onDeath: failed.reject,
  });
  scope.defer(() => workers.stop());
  const publish = (message: ToWorker): void => workers.post(message);
  levels.onChange(() => publish({ kind: 'logLevels', directives: levels.toString() }));
  startHousekeeping(registry, scope);

  const readiness = new Readiness();
  const starting = readiness.pend('configuration');
  if (config.crlPath !== undefined) {
    const crl = new RevocationFile({ path: config.crlPath, publish, readiness, log: loggers.scope('crl') });
    scope.defer(() => crl[Symbol.dispose]());
  }
  const complete = Promise.withResolvers<void>();
  const name = `${config.podNamespace}/${config.gateway}`;
  const mesh = new MeshAddresses((batch) => publish({ kind: 'addresses', batch }));
  const state = new ProxyState({
    name,
    publish: (update) => publish({ kind: 'config', update }),
    follow: (typeUrl, add, remove) => client.changeNames(typeUrl, add, remove),
    onWarnings: (resource, warnings) => loggers.scope('config').warn({ resource, warnings }, 'configuration taken'),
    onComplete: complete.resolve,
  });
  const certificate = new OwnCertificate({
    channel: caChannel(config),
    identity,
    ttlSec: Math.round(config.secretTtlMs / 1000),
    publish: (material) => publish({ kind: 'certificate', material }),
    log: loggers.scope('certificates'),
  });
  scope.defer(() => certificate[Symbol.dispose]());
  const dump = async (): Promise<string> =>
    configDump({
      state,
      certificates: certificate.manager.statuses(),
      workloads: mesh.store.workloadCount,
      services: mesh.store.serviceCount,
      workers: await workers.describe(),
      version: config.istioVersion,
    });
  const servers = [
    { server: createAdminServer(adminOptions(dump)), address: config.adminAddress },
    { server: createStatsServer(registry, readiness, NOT_READY_STATUS), address: config.statsAddress },
    { server: createReadinessServer(readiness, NOT_READY_STATUS), address: config.readinessAddress },
  ];
  for (const { server, address } of servers) await listen(server, listenAddress(address, config.isIpv6Enabled));
  await Promise.race([workers.ready(), failed.promise]);

  const client = new DeltaClient({
    connect: grpcConnector(() => controlPlaneChannel(config)),
    node: gatewayNode({
      kind: config.role === 'waypoint' ? 'waypoint' : 'router',
      gateway: config.gateway,
      serviceAccount: config.serviceAccount,
      instanceIp,
      podName: config.podName,
      podNamespace: config.podNamespace,
      nodeName: config.nodeName,
      extraMetadata: { CLUSTER_ID: config.clusterId },
    }),
    types: [mesh.handler(), ...state.handlers()],
    observer: xdsObserver(loggers),
  });
  client.changeNames(PROXY_TYPE, [name], []);
  scope.run('xds', (signal) => client.run(signal));
  log.info({ gateway: name, identity, version: config.istioVersion }, 'started');

  const stop = AbortSignal.any([stopping, quit.signal]);
  const stopped = whenAborted(stop);
  scope.run('start', async () => {
    await Promise.race([Promise.all([client.initialSync, complete.promise, certificate.available]), stopped]);
    if (stop.aborted) return;
    const hbonePort = await workers.listen();
    starting();
    log.info({ hbonePort, workloads: mesh.store.workloadCount }, 'ready');
    // Most of Node's code and constants that the start has read is never used again.
    io.dropProgramPages();
  });
  await Promise.race([stopped, failed.promise]);
  readiness.pend('draining');
  const { deadlineMs, minimumMs } = drainTimes(config);
  log.info({ reason: abortReason(stop), deadlineMs }, 'draining');
  const cut = await Promise.race([workers.drain(deadlineMs, minimumMs), failed.promise]);
  log.info({ cutConnections: cut }, 'drained');
  await Promise.all(servers.map(({ server }) => closeServer(server)));

  function adminOptions(source: () => Promise<string>): Parameters<typeof createAdminServer>[0] {
    return {
      routes: {
        '/config_dump': async (_request, response) => answerAdmin(response, 200, await source(), 'application/json'),
      },
      logLevels: levels,
      onQuit: () => quit.abort('POST /quitquitquit'),
      onError: (error) => log.warn({ error: toAmbitError(error).message }, 'admin request failed'),
    };
  }
}

/** The pod's address, where nobody said it: the first that is not of loopback. */
function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '';
}

function dataSettings(config: WaypointConfig, instanceIp: string, identity: SpiffeId): DataSettings {
  return {
    role: config.role,
    network: config.network,
    clusterId: config.clusterId,
    podName: config.podName,
    podNamespace: config.podNamespace,
    gateway: config.gateway,
    nodeName: config.nodeName,
    instanceIp,
    identity,
    listenAddress: config.listenAddress,
    isIpv6Enabled: config.isIpv6Enabled,
    hbonePort: config.hbonePort,
    peerHbonePort: config.peerHbonePort,
    buckets: TokenBuckets.allocate(),
    log: { directives: config.logLevels, fd: 1 },
  };
}

/**
 * How long a shutdown waits at most, and at least: clients may still come as long as they have not heard that this proxy
 * goes. Spec: contract l7 9.3.
 */
export function drainTimes(
  config: Pick<WaypointConfig, 'drainMs' | 'exitsOnZeroConnections' | 'minimumDrainMs' | 'terminationDeadlineMs'>,
): { readonly deadlineMs: number; readonly minimumMs: number } {
  const { drainMs, exitsOnZeroConnections, minimumDrainMs, terminationDeadlineMs } = config;
  const deadlineMs = terminationDeadlineMs ?? (exitsOnZeroConnections ? LONGEST_DRAIN_MS : drainMs);
  return { deadlineMs, minimumMs: Math.min(exitsOnZeroConnections ? minimumDrainMs : drainMs, deadlineMs) };
}

interface ReportTakers {
  readonly registry: MetricRegistry;
  readonly loggers: LoggerRoot;
  readonly hosts: HostNames;
}

function takeReport({ registry, loggers, hosts }: ReportTakers, workerId: number, report: WorkerReport): void {
  switch (report.kind) {
    case 'metrics':
      for (const announcement of report.announcements) registry.mirror(`data-${workerId}`, announcement);
      return;
    case 'resolveHost':
      return hosts.want(report.hostname);
    case 'log':
      logReport(loggers, workerId, report);
  }
}

function xdsObserver(loggers: LoggerRoot): DeltaClientObserver {
  const log = loggers.scope('xds');
  return {
    onConnected: () => log.info('connected'),
    onTerminated: (termination, retryInMs) =>
      log.warn({ kind: termination.kind, error: termination.message, retryInMs }, 'connection ended'),
    onRejected: (typeUrl, nonce, rejections) =>
      log.error({ typeUrl, nonce, rejections: rejections.slice(0, 10) }, 'resources rejected'),
  };
}

function buildMetric(registry: MetricRegistry, version: string): void {
  const labels = registry.labels(['component', 'tag']);
  registry.gauge({ name: 'istio_build', help: 'Istio component build info', labels }).bind(['proxy', version]).set(1);
}

function startHousekeeping(registry: MetricRegistry, scope: TaskScope): void {
  const observed = observeProcess(registry);
  const timer = setInterval(() => registry.sweep(), SWEEP_MS).unref();
  scope.defer(() => {
    clearInterval(timer);
    observed[Symbol.dispose]();
  });
}

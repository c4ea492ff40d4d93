/**
 * The life of the node proxy's process.
 *
 * Start: admin, metrics and readiness first, so that a node whose control plane is away can be looked at; then the
 * configuration; after its first sync pods, from the node agent (shared) or the one of the settings (dedicated).
 * End: listeners close at once, connections get the drain deadline, then the rest.
 * Spec: data-plane.md sections 3.3, 5.9 and 7.
 */
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { RevocationFile } from '@ambit/hbone';
import { io } from '@ambit/net';
import {
  abortReason,
  type AmbitError,
  Readiness,
  systemClock,
  TaskScope,
  toAmbitError,
  whenAborted,
} from '@ambit/runtime';
import {
  closeServer,
  createReadinessServer,
  listen,
  listenAddress,
  metricsHandler,
  observeProcess,
} from '@ambit/telemetry';
import type { DeltaClientObserver } from '@ambit/xds';
import { createZtunnelAdmin } from './admin/ztunnel-admin.ts';
import { adminSources } from './admin-sources.ts';
import { type ConfigSource, startConfigSource } from './config-source.ts';
import { buildMetric, xdsMetrics } from './control-metrics.ts';
import { checkConfig, drainDeadlineMs } from './derived-settings.ts';
import { nodeMetadata, withPrefix } from './environment-families.ts';
import { HeapTrimmer } from './heap-trimmer.ts';
import { yieldToDataWorkers } from './thread-priority.ts';
import { AgentPatience } from './zds/agent-patience.ts';
import { runZdsClient } from './zds/zds-client.ts';
import type { PodRegistry } from './zds/pod-registry.ts';
import type { ZtunnelConfig } from './ztunnel-config.ts';
import { buildParts, type Environment, type ZtunnelParts } from './ztunnel-parts.ts';

export interface ZtunnelOptions {
  readonly config: ZtunnelConfig;
  /** For the variables that no table can list. */
  readonly environment: Environment;
  /** Aborted when the process has to drain. */
  readonly stopping: AbortSignal;
}

/** The pod of dedicated mode. */
const DEDICATED_UID = 'dedicated';
const SWEEP_MS = 30_000;

/** Runs until it has drained. Rejects with AmbitError when it cannot start, with NetError `WORKER_DIED` when a worker dies. */
export async function runZtunnel({ config, environment, stopping }: ZtunnelOptions): Promise<void> {
  checkConfig(config);
  io.raiseFileLimit();
  const failed = Promise.withResolvers<never>();
  const quit = new AbortController();
  const readiness = new Readiness();
  const pods = readinessOf(readiness, config.mode === 'shared' ? 'workload proxy manager' : 'proxy');
  const parts = buildParts(config, environment, {
    onWorkerDeath: failed.reject,
    demand: async (name) => source.demand(name, quit.signal).catch(() => undefined),
    onPodCounts: (pending) => pods.setPending(pending),
  });
  await using scope = new TaskScope({ onError: (_name, error) => failed.reject(error) });
  scope.defer(() => closeParts(parts));
  startHousekeeping(parts, scope);
  const log = parts.loggers.scope('ztunnel');
  const servers = await serveHttp(parts, readiness, () => quit.abort('POST /quitquitquit'));
  if (config.crlPath !== undefined) followRevocations(config.crlPath, parts, readiness, scope);
  const synced = readiness.pend('state manager');
  await Promise.race([parts.workers?.ready(), failed.promise]);
  yieldToDataWorkers();
  const source: ConfigSource = await startSource(parts, scope);
  log.info({ mode: config.mode, node: config.nodeName, version: config.istioVersion }, 'started');
  const { ready } = source;
  const stop = AbortSignal.any([stopping, quit.signal]);
  scope.run('pods', async (scopeSignal) => {
    // A proxy that drains takes no new pods.
    const signal = AbortSignal.any([scopeSignal, stop]);
    await Promise.race([ready, whenAborted(signal)]);
    if (signal.aborted) return;
    synced();
    log.info({ workloads: parts.state.store.workloadCount }, 'configuration synced');
    // Most of Node's code and constants that the start has read is never used again.
    io.dropProgramPages();
    if (parts.pods !== undefined) await followAgent(parts, parts.pods, pods.setSynced, signal);
    else await serveDedicated(parts, pods.setSynced);
  });
  await Promise.race([whenAborted(stop), failed.promise]);
  const deadlineMs = drainDeadlineMs(config);
  log.info({ reason: abortReason(stop), deadlineMs }, 'draining');
  const cut = await drain(parts, servers, deadlineMs);
  log.info({ cutConnections: cut }, 'drained');
}

/** Pods are ready after a snapshot with nothing pending. */
function readinessOf(
  readiness: Readiness,
  name: string,
): { readonly setSynced: (isSynced: boolean) => void; readonly setPending: (count: number) => void } {
  let done: (() => void) | undefined = readiness.pend(name);
  let isSynced = false;
  let pending = 0;
  const update = (): void => {
    const isReady = isSynced && pending === 0;
    if (isReady) {
      done?.();
      done = undefined;
    } else done ??= readiness.pend(name);
  };
  return {
    setSynced: (now) => {
      isSynced = now;
      update();
    },
    setPending: (count) => {
      pending = count;
      update();
    },
  };
}

function followRevocations(
  path: string,
  { workers, loggers }: ZtunnelParts,
  readiness: Readiness,
  scope: TaskScope,
): void {
  const log = loggers.scope('crl');
  const file = new RevocationFile({ path, readiness, log, publish: (message) => workers?.post(message) });
  scope.defer(() => file[Symbol.dispose]());
}

function startHousekeeping(parts: ZtunnelParts, scope: TaskScope): void {
  const { registry, config } = parts;
  buildMetric(registry, config.istioVersion);
  const observed = observeProcess(registry);
  const timer = setInterval(() => registry.sweep(), SWEEP_MS).unref();
  const trimmer = new HeapTrimmer();
  scope.defer(() => {
    clearInterval(timer);
    trimmer[Symbol.dispose]();
    observed[Symbol.dispose]();
  });
}

async function serveHttp(parts: ZtunnelParts, readiness: Readiness, onQuit: () => void): Promise<readonly Server[]> {
  const { config, registry, levels, loggers } = parts;
  const log = loggers.scope('admin');
  const admin = createZtunnelAdmin({
    dump: adminSources(parts),
    logLevels: levels,
    onQuit,
    onError: (error) => log.warn({ error: toAmbitError(error).message }, 'admin request failed'),
  });
  const stats = createServer(metricsHandler(registry));
  const ready = createReadinessServer(readiness, 500);
  await listen(admin, listenAddress(config.adminAddress, config.isIpv6Enabled));
  await listen(stats, listenAddress(config.statsAddress, config.isIpv6Enabled));
  await listen(ready, listenAddress(config.readinessAddress, config.isIpv6Enabled));
  return [admin, stats, ready];
}

function startSource(parts: ZtunnelParts, scope: TaskScope): Promise<ConfigSource> {
  const { config, state, registry, loggers, environment } = parts;
  const metrics = xdsMetrics(registry);
  const log = loggers.scope('xds');
  const observer: DeltaClientObserver = {
    onConnected: () => log.info('connected'),
    onMessage: metrics.onMessage?.bind(metrics) ?? (() => undefined),
    onTerminated: (termination, retryInMs) => {
      metrics.onTerminated?.(termination, retryInMs);
      log.warn({ kind: termination.kind, error: termination.message, retryInMs }, 'connection ended');
    },
    onRejected: (typeUrl, nonce, rejections) =>
      log.error({ typeUrl, nonce, rejections: rejections.slice(0, 10) }, 'resources rejected'),
  };
  const metadata = nodeMetadata(environment);
  const headers = withPrefix(environment, 'XDS_HEADER_');
  return startConfigSource({ config, state, observer, metadata, headers, tokenExists: existsSync }, scope);
}

async function followAgent(
  { config, loggers }: ZtunnelParts,
  registry: PodRegistry,
  onSynced: (isSynced: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  const log = loggers.scope('inpod');
  const onDisconnect = (error: AmbitError | undefined, retryInMs: number): void =>
    log.warn({ error: error?.message ?? 'the agent closed the connection', retryInMs }, 'agent connection ended');
  const { agentSocket: socketPath, agentGraceMs } = config;
  using patience = new AgentPatience(agentGraceMs, systemClock, onSynced);
  const setSynced = (isSynced: boolean): void => patience.set(isSynced);
  await runZdsClient({ socketPath, registry, clock: systemClock, onSynced: setSynced, onDisconnect }, { signal });
}

async function serveDedicated(
  { proxies, dedicated }: ZtunnelParts,
  onSynced: (isSynced: boolean) => void,
): Promise<void> {
  if (dedicated === undefined) return;
  await proxies.start(DEDICATED_UID, dedicated, undefined);
  onSynced(true);
}

/** All servers drain in one step; the number of connections that had to be cut. */
async function drain(parts: ZtunnelParts, servers: readonly Server[], deadlineMs: number): Promise<number> {
  parts.proxies.stopAllDns();
  const [cut = 0] = await Promise.all([parts.workers?.drain(deadlineMs), ...servers.map(closeServer)]);
  return cut;
}

async function closeParts(parts: ZtunnelParts): Promise<void> {
  parts.pods?.stopAll();
  parts.proxies.stopAllDns();
  parts.supply?.[Symbol.dispose]();
  parts.certificates?.[Symbol.dispose]();
  parts.workers?.stop();
  await parts.bus[Symbol.asyncDispose]();
}

/** Builds the parts of the process and connects them; starts nothing but the worker threads. */
import { existsSync, readFileSync } from 'node:fs';
import { type EventBus, openEventBus } from '@ambit/events';
import type { NetError } from '@ambit/net';
import { systemClock, toAmbitError } from '@ambit/runtime';
import { createLogger, type Logger, LogLevels, type LoggerRoot, MetricRegistry } from '@ambit/telemetry';
import type { Workload } from '@ambit/workload';
import type { PodIdentity, ToWorker } from '../worker-protocol.ts';
import { type CertificateSource, openCertificates } from './certificate-source.ts';
import { CertificateSupply } from './certificate-supply.ts';
import { dnsMetrics, podMetrics } from './control-metrics.ts';
import { DataWorkers } from './data-workers.ts';
import { dataSettings, packetMark, parseWorkloadInfo, workerCount } from './derived-settings.ts';
import { DnsProxies, type DnsProxiesOptions } from './dns-proxies.ts';
import { parseNameservers } from './dns/resolver-config.ts';
import { withPrefix } from './environment-families.ts';
import { MeshState } from './mesh-state.ts';
import { openPodDns, type PodDnsSettings } from './pod-dns.ts';
import { PodProxies } from './pod-proxies.ts';
import { takeWorkerReport } from './worker-reports.ts';
import { PodRegistry } from './zds/pod-registry.ts';
import type { ZtunnelConfig } from './ztunnel-config.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ZtunnelParts {
  readonly config: ZtunnelConfig;
  readonly environment: Environment;
  readonly levels: LogLevels;
  readonly loggers: LoggerRoot;
  readonly registry: MetricRegistry;
  readonly bus: EventBus;
  readonly state: MeshState;
  readonly certificates: CertificateSource | undefined;
  readonly supply: CertificateSupply | undefined;
  readonly workers: DataWorkers | undefined;
  readonly proxies: PodProxies;
  /** Shared mode only. */
  readonly pods: PodRegistry | undefined;
  /** Dedicated mode only. */
  readonly dedicated: PodIdentity | undefined;
}

export interface PartHooks {
  readonly onWorkerDeath: (error: NetError) => void;
  /** On-demand names; the source is started later than the workers. */
  readonly demand: (name: string) => Promise<void>;
  readonly onPodCounts: (pending: number) => void;
}

export function buildParts(config: ZtunnelConfig, environment: Environment, hooks: PartHooks): ZtunnelParts {
  const levels = new LogLevels(config.logLevels);
  const loggers = createLogger({ format: config.logFormat, levels });
  const registry = new MetricRegistry();
  const bus = openEventBus({
    address: config.bus,
    source: `ztunnel/${config.nodeName}`,
    ...(config.busToken === undefined ? {} : { token: config.busToken }),
    onFailure: (message) => loggers.scope('bus').debug({ error: message }, 'event failed'),
  });
  const dedicated = config.mode === 'dedicated' ? parseWorkloadInfo(config.workloadInfo ?? '') : undefined;
  // The workers are made after what publishes to them; until then there is nothing to publish.
  const publish = (message: ToWorker): void => workers?.post(message);
  const state = new MeshState({ localNode: dedicated === undefined ? config.nodeName : undefined, publish });
  const certificates = openCertificates(config, withPrefix(environment, 'CA_HEADER_'), existsSync);
  const supply =
    certificates &&
    new CertificateSupply({
      manager: certificates.manager,
      publish,
      isServed: (workload) => dedicated === undefined || isWorkload(workload, dedicated),
      log: loggers.scope('certificates'),
    });
  if (supply !== undefined) state.store.watchLocal(supply);
  const node = config.nodeName;
  const workers: DataWorkers | undefined = config.isProxyEnabled
    ? new DataWorkers({
        count: workerCount(config.workerThreads),
        settings: dataSettings(config),
        onDeath: hooks.onWorkerDeath,
        onReport: (workerId, report) => {
          const postTo = (id: number, message: ToWorker): void => workers?.postTo(id, message);
          const { demand } = hooks;
          takeWorkerReport({ node, registry, loggers, bus, certificates: supply, demand, postTo }, workerId, report);
        },
      })
    : undefined;
  levels.onChange(() => publish({ kind: 'logLevels', directives: levels.toString() }));
  const dns = config.isDnsCaptured ? dnsProxies(config, state, registry, loggers) : undefined;
  const proxies = new PodProxies({ workers, dns });
  const pods = dedicated === undefined ? podRegistry(proxies, registry, loggers, hooks) : undefined;
  return {
    config,
    environment,
    levels,
    loggers,
    registry,
    bus,
    state,
    certificates,
    supply,
    workers,
    proxies,
    pods,
    dedicated,
  };
}

function isWorkload(workload: Workload, { name, namespace, serviceAccount }: PodIdentity): boolean {
  return workload.name === name && workload.namespace === namespace && workload.serviceAccount === serviceAccount;
}

function dnsProxies(
  config: ZtunnelConfig,
  state: MeshState,
  registry: MetricRegistry,
  loggers: LoggerRoot,
): DnsProxies {
  const log = loggers.scope('dns');
  const settings: PodDnsSettings = {
    port: config.dnsPort,
    mark: packetMark(config),
    reusePort: config.reusePort,
    isIpv6Enabled: config.isIpv6Enabled,
    clusterDomain: config.clusterDomain,
    preferredNamespace: config.preferredServiceNamespace,
    servers: nameservers(config.resolvConf, log),
  };
  const observe = dnsMetrics(registry);
  const open: DnsProxiesOptions['open'] = (info, netnsFd) => {
    const client = (): Workload | undefined =>
      state.store.localWorkload(info.name, info.namespace, info.serviceAccount);
    return openPodDns({
      settings,
      netnsFd,
      view: state.store,
      client,
      observer: observe(client),
      onError: (error) =>
        log.warn({ pod: `${info.namespace}/${info.name}`, error: error.message }, 'dns socket failed'),
    });
  };
  return new DnsProxies({ open, clock: systemClock, lingerMs: config.dnsLingerMs });
}

/** Without the file the mesh's own names are answered all the same, and every other name fails. */
function nameservers(path: string, log: Logger): readonly string[] {
  try {
    return parseNameservers(readFileSync(path, 'utf8'));
  } catch (error) {
    log.warn({ path, error: toAmbitError(error).message }, 'no name servers to forward to');
    return [];
  }
}

function podRegistry(
  proxies: PodProxies,
  registry: MetricRegistry,
  loggers: LoggerRoot,
  hooks: PartHooks,
): PodRegistry {
  const metrics = podMetrics(registry);
  const log = loggers.scope('inpod');
  return new PodRegistry(
    proxies,
    {
      onCounts: (active, pending) => {
        metrics.onCounts(active, pending);
        hooks.onPodCounts(pending);
      },
      onStarted: (uid, info) => {
        metrics.onStarted();
        log.info({ uid, pod: `${info.namespace}/${info.name}` }, 'pod proxy started');
      },
      onStopped: (uid) => {
        metrics.onStopped();
        log.info({ uid }, 'pod proxy stopped');
      },
      onStartFailed: (uid, info, error) =>
        log.warn({ uid, pod: `${info.namespace}/${info.name}`, error }, 'pod proxy not started'),
    },
    systemClock,
  );
}

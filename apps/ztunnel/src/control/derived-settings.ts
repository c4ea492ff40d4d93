/** What follows from the settings by rule: worker settings, deadlines, addresses, trust. Pure. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AmbitError } from '@ambit/runtime';
import type { DataSettings, PodIdentity } from '../worker-protocol.ts';
import type { ZtunnelConfig } from './ztunnel-config.ts';

const SHARED_MARK = 1337;
const DEFAULT_TOKEN = './var/run/secrets/tokens/istio-token';

/** Throws AmbitError `BAD_CONFIG` for settings that exclude each other. */
export function checkConfig(config: ZtunnelConfig): void {
  const problems: string[] = [];
  if (config.mode === 'shared' && config.nodeName === '') problems.push('NODE_NAME is not set: shared mode needs it');
  if (config.mode === 'dedicated' && config.workloadInfo === undefined) {
    problems.push('PROXY_WORKLOAD_INFO is not set: dedicated mode needs it');
  }
  if (config.localXds !== undefined && config.localXdsPath !== undefined) {
    problems.push('LOCAL_XDS and LOCAL_XDS_PATH are both set');
  }
  if (config.isOnDemand && config.isDnsCaptured) {
    problems.push('XDS_ON_DEMAND needs ISTIO_META_DNS_CAPTURE=false: names cannot be asked for');
  }
  if (problems.length > 0) throw new AmbitError('BAD_CONFIG', problems.join('\n'));
}

export function dataSettings(config: ZtunnelConfig): DataSettings {
  const keepaliveSec = Math.round(config.keepaliveMs / 1_000);
  const intervalSec = Math.round(config.keepaliveIntervalMs / 1_000);
  const probes = config.keepaliveRetries;
  return {
    mode: config.mode,
    network: config.network,
    localNode: config.mode === 'shared' ? config.nodeName : undefined,
    clusterId: config.clusterId,
    clusterDomain: config.clusterDomain,
    packetMark: packetMark(config),
    reusePort: config.reusePort,
    originalSource: config.originalSource === undefined ? 'best-effort' : config.originalSource ? 'required' : 'never',
    isIpv6Enabled: config.isIpv6Enabled,
    isOnDemand: config.isOnDemand,
    ports: {
      outbound: config.outboundPort,
      inboundPlaintext: config.inboundPort,
      inboundHbone: config.hbonePort,
      socks5: config.socks5Port,
    },
    keepalive: config.isKeepaliveEnabled ? { idleSec: keepaliveSec, intervalSec, probes } : undefined,
    userTimeoutMs: config.isUserTimeoutEnabled ? config.keepaliveMs + config.keepaliveIntervalMs * probes : undefined,
    http2: {
      streamWindowBytes: config.streamWindowBytes,
      connectionWindowBytes: config.connectionWindowBytes,
      frameBytes: config.frameBytes,
    },
    pool: { maxStreamsPerConnection: config.poolMaxStreams, unusedReleaseMs: config.poolReleaseMs },
    isSocks5Enabled: config.isSocks5Enabled,
    isLocalhostAppTunnelEnabled: config.isLocalhostAppTunnelEnabled,
    isBaggageEnabled: config.isBaggageEnabled,
    preferredServiceNamespace: config.preferredServiceNamespace,
    missingPolicy: config.missingPolicy,
    missingPolicyWaitMs: config.missingPolicyWaitMs,
    checksRevocation: config.crlPath !== undefined,
    sendsEarly: config.sendsEarly,
    log: {
      format: config.logFormat,
      directives: config.logLevels,
      fd: 1,
      isAuthzInfoEnabled: config.isAuthzInfoEnabled,
    },
    flowSampleRate: config.flowSampleRate,
  };
}

/** SO_MARK of sockets in pods; undefined sets none. */
export function packetMark(config: Pick<ZtunnelConfig, 'mode' | 'packetMark'>): number | undefined {
  if (config.packetMark >= 0) return config.packetMark;
  return config.mode === 'shared' ? SHARED_MARK : undefined;
}

/**
 * How long a shutdown waits for connections, in milliseconds.
 * Spec: data-plane.md section 5.9.
 */
export function drainDeadlineMs(config: Pick<ZtunnelConfig, 'terminationDeadlineMs' | 'terminationGraceSec'>): number {
  if (config.terminationDeadlineMs !== undefined) return config.terminationDeadlineMs;
  const graceSec = config.terminationGraceSec;
  if (graceSec < 0) return 5_000;
  return (graceSec > 10 ? graceSec - 5 : Math.max(1, graceSec - 1)) * 1_000;
}

/**
 * Number of data workers. `auto` takes a quarter of the cores: one worker fills a core, and control, kernel and the
 * applications want the rest (data-path.md: two workers gain nothing on two full cores). Istio's auto is at least two.
 * Throws AmbitError `BAD_CONFIG`.
 */
export function workerCount(setting: string, cores: number = availableParallelism()): number {
  if (setting === 'auto') return Math.max(1, Math.ceil(cores / 4));
  const percent = /^(\d{1,3})%$/.exec(setting)?.[1];
  if (percent !== undefined) return Math.max(1, Math.ceil((cores * Number(percent)) / 100));
  const count = /^\d{1,3}$/.test(setting) ? Number(setting) : Number.NaN;
  if (count === 0) return cores;
  if (!(count <= 256)) throw new AmbitError('BAD_CONFIG', `ZTUNNEL_WORKER_THREADS=${setting}: auto, 0-256 or n%`);
  return count;
}

/** Address of control plane or CA; undefined when the client is turned off. */
export function serverAddress(setting: string | undefined, kubernetesHost: string | undefined): string | undefined {
  if (setting === '') return undefined;
  if (setting !== undefined) return setting.includes('://') ? setting : `https://${setting}`;
  return kubernetesHost === undefined ? 'https://localhost:15012' : 'https://istiod.istio-system.svc:15012';
}

/** Istio's relative paths begin at the root of the image. Other text (PEM, SYSTEM) is left alone. */
export function imagePath(setting: string): string {
  return setting.startsWith('./') ? resolve('/', setting) : setting;
}

/** The token setting in force; undefined when none is set and the default file is missing. */
export function tokenSetting(setting: string | undefined, exists: (path: string) => boolean): string | undefined {
  if (setting !== undefined) return setting === '' ? undefined : imagePath(setting.replace(/^file:\/\//, ''));
  const path = imagePath(DEFAULT_TOKEN);
  return exists(path) ? path : undefined;
}

/** `namespace/name/service-account`. Throws AmbitError `BAD_CONFIG`. */
export function parseWorkloadInfo(setting: string): PodIdentity {
  const [namespace, name, serviceAccount, ...rest] = setting.split('/');
  if (!namespace || !name || !serviceAccount || rest.length > 0) {
    throw new AmbitError('BAD_CONFIG', `PROXY_WORKLOAD_INFO=${setting}: expected namespace/name/service-account`);
  }
  return { name, namespace, serviceAccount };
}

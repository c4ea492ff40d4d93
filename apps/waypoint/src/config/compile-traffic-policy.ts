import { traffic as messages } from '@ambit/api';
import { defaultHttp2Settings } from '@ambit/exchange';
import { defaultOutlierRules, type OutlierRules } from '@ambit/routing';

import { durationMs, limitMs } from './duration.ts';
import { compileLocality } from './locality-rules.ts';
import type { Problems } from './problems.ts';
import {
  type BackendTls,
  type BalancingAlgorithm,
  type ConnectionLimits,
  defaultTrafficPolicy,
  type HashKey,
  type TrafficPolicy,
  type Warmup,
} from './traffic-policy.ts';

const { Balancing_Algorithm: Algorithm, TrafficPolicy_HttpVersion: HttpVersion } = messages;

/** Largest ring or table that is built for one service port. */
const maxTableSize = 8_388_608n;

export function compileTrafficPolicy(
  message: messages.TrafficPolicy | undefined,
  place: string,
  problems: Problems,
): TrafficPolicy {
  if (message === undefined) return defaultTrafficPolicy;
  const { balancing, proxyProtocol } = message;
  if (proxyProtocol > 2) problems.bad(place, `there is no version ${proxyProtocol} of the PROXY protocol`);
  return {
    balancing: compileAlgorithm(balancing, place, problems),
    warmup: compileWarmup(balancing?.warmup),
    locality: compileLocality(balancing?.locality),
    limits: compileLimits(message.limits),
    outliers: compileOutliers(message.outliers),
    tls: compileTls(message.tls, place, problems),
    proxyProtocol: proxyProtocol === 1 || proxyProtocol === 2 ? proxyProtocol : 0,
    tunnel: compileTunnel(message.tunnel, place, problems),
    httpVersion: httpVersionOf(message.httpVersion),
  };
}

function compileAlgorithm(
  balancing: messages.Balancing | undefined,
  place: string,
  problems: Problems,
): BalancingAlgorithm {
  if (balancing === undefined) return defaultTrafficPolicy.balancing;
  switch (balancing.algorithm) {
    case Algorithm.LEAST_REQUEST:
      return { kind: 'simple', algorithm: 'least-request' };
    case Algorithm.ROUND_ROBIN:
      return { kind: 'simple', algorithm: 'round-robin' };
    case Algorithm.RANDOM:
      return { kind: 'simple', algorithm: 'random' };
    case Algorithm.PASSTHROUGH:
      return { kind: 'passthrough' };
    case Algorithm.RING_HASH:
    case Algorithm.MAGLEV: {
      const { tableSize } = balancing;
      if (tableSize > maxTableSize) problems.bad(place, `a table of ${tableSize} places; at most ${maxTableSize}`);
      const kind = balancing.algorithm === Algorithm.MAGLEV ? 'maglev' : 'ring';
      return { kind, size: Number(tableSize), hashKey: compileHashKey(balancing.hashKey) };
    }
    default:
      problems.bad(place, `unknown balancing algorithm ${String(balancing.algorithm)}`);
      return defaultTrafficPolicy.balancing;
  }
}

function compileHashKey(message: messages.Balancing_HashKey | undefined): HashKey | undefined {
  const kind = message?.kind;
  switch (kind?.case) {
    case 'header':
      return { kind: 'header', name: kind.value.toLowerCase() };
    case 'cookie': {
      const { name, path, ttl, attributes } = kind.value;
      const text = attributes
        .filter((attribute) => isAttribute(attribute.name) && isAttribute(attribute.value))
        .map((attribute) => `; ${attribute.name}${attribute.value === '' ? '' : `=${attribute.value}`}`);
      return { kind: 'cookie', name, path, ttlMs: durationMs(ttl), attributes: text.join('') };
    }
    case 'sourceIp':
      return kind.value ? { kind: 'source-ip' } : undefined;
    case 'queryParameter':
      return { kind: 'query-parameter', name: kind.value };
    case undefined:
      return undefined;
  }
}

/** Text that does not end the attribute, nor the header. */
function isAttribute(text: string): boolean {
  return /^[\x20-\x3a\x3c-\x7e]*$/.test(text);
}

function compileWarmup(message: messages.Balancing_Warmup | undefined): Warmup | undefined {
  const warmupMs = limitMs(message?.duration);
  if (message === undefined || warmupMs === undefined) return undefined;
  const { minimumPercent, aggressionPermille } = message;
  return {
    durationMs: warmupMs,
    minimumPercent: minimumPercent === 0 ? 10 : Math.min(minimumPercent, 100),
    aggression: aggressionPermille === 0 ? 1 : aggressionPermille / 1000,
  };
}

function compileLimits(message: messages.ConnectionLimits | undefined): ConnectionLimits {
  const defaults = defaultTrafficPolicy.limits;
  if (message === undefined) return defaults;
  const budget = message.retryBudget;
  return {
    maxConnections: limit(message.maxConnections),
    maxPendingRequests: limit(message.maxPendingRequests),
    maxRequests: limit(message.maxRequests),
    maxRetries: limit(message.maxRetries),
    maxRequestsPerConnection: limit(message.maxRequestsPerConnection),
    maxConcurrentStreams: limit(message.maxConcurrentStreams),
    connectTimeoutMs: limitMs(message.connectTimeout) ?? defaults.connectTimeoutMs,
    idleTimeoutMs: limitMs(message.idleTimeout) ?? defaults.idleTimeoutMs,
    maxConnectionDurationMs: limitMs(message.maxConnectionDuration),
    keepalive: message.keepalive === undefined ? undefined : compileKeepalive(message.keepalive),
    retryBudget:
      budget === undefined
        ? undefined
        : {
            percent: budget.percent,
            minConcurrency: budget.minConcurrency,
            intervalMs: limitMs(budget.interval) ?? 0,
          },
    ping: compilePing(message.ping),
  };
}

function compilePing(message: messages.ConnectionLimits_Ping | undefined): ConnectionLimits['ping'] {
  const intervalMs = limitMs(message?.interval);
  if (intervalMs === undefined) return undefined;
  return { intervalMs, timeoutMs: limitMs(message?.timeout) ?? defaultHttp2Settings.pingTimeoutMs };
}

/** Linux's own values, where nothing is said; its largest, where more is. */
function compileKeepalive({
  probes,
  timeSec,
  intervalSec,
}: messages.ConnectionLimits_Keepalive): ConnectionLimits['keepalive'] {
  return {
    idleSec: Math.min(timeSec || 7200, 32_767),
    intervalSec: Math.min(intervalSec || 75, 32_767),
    probes: Math.min(probes || 9, 127),
  };
}

function limit(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

/** Counts are as the control plane merged them: 0 turns a condition off. */
function compileOutliers(message: messages.OutlierEjection | undefined): OutlierRules | undefined {
  if (message === undefined) return undefined;
  const defaults = defaultOutlierRules;
  const baseEjectionMs = limitMs(message.baseEjection) ?? defaults.baseEjectionMs;
  return {
    consecutive5xx: message.consecutive5xx,
    consecutiveGatewayErrors: message.consecutiveGatewayErrors,
    consecutiveLocalFailures: message.consecutiveLocalFailures,
    splitsLocalFailures: message.splitLocalFailures,
    intervalMs: limitMs(message.interval) ?? defaults.intervalMs,
    baseEjectionMs,
    maxEjectionMs: Math.max(limitMs(message.maxEjection) ?? defaults.maxEjectionMs, baseEjectionMs),
    maxEjectionPercent: Math.min(message.maxEjectionPercent, 100),
    minHealthPercent: Math.min(message.minHealthPercent, 100),
    errorCodes: message.errorCodes.length === 0 ? undefined : new Set(message.errorCodes),
  };
}

function compileTunnel(
  message: messages.Tunnel | undefined,
  place: string,
  problems: Problems,
): TrafficPolicy['tunnel'] {
  if (message === undefined) return undefined;
  const { host, port, byPost } = message;
  if (!/^[A-Za-z0-9._:-]+$/.test(host) || port < 1 || port > 65_535) {
    problems.bad(place, `a forward proxy cannot be asked for ${JSON.stringify(host)}, port ${port}`);
  }
  return { authority: `${host.includes(':') ? `[${host}]` : host}:${port}`, byPost };
}

function compileTls(
  message: messages.BackendTls | undefined,
  place: string,
  problems: Problems,
): BackendTls | undefined {
  if (message === undefined) return undefined;
  const roots = pemText(message.rootsPem);
  const chainPem = pemText(message.clientCertificateChainPem);
  const keyPem = pemText(message.clientPrivateKeyPem);
  if ((chainPem === '') !== (keyPem === ''))
    problems.bad(place, 'a client certificate needs its key, and a key its chain');
  return {
    serverName: message.serverName === '' ? undefined : message.serverName,
    subjectAltNames: message.subjectAltNames,
    roots: roots !== '' ? { kind: 'pem', pem: roots } : { kind: message.useSystemRoots ? 'system' : 'none' },
    revocationsPem: pemText(message.revocationsPem),
    clientCertificate: chainPem === '' ? undefined : { chainPem, keyPem },
    skipsVerification: message.insecureSkipVerify,
  };
}

function pemText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function httpVersionOf(version: messages.TrafficPolicy_HttpVersion): TrafficPolicy['httpVersion'] {
  switch (version) {
    case HttpVersion.HTTP1:
      return 'http1';
    case HttpVersion.HTTP2:
      return 'http2';
    case HttpVersion.AS_CLIENT:
      return 'as-client';
    default:
      return 'by-port';
  }
}

import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';

/** What requests of one client stick to. */
export type HashKeySpec =
  | { readonly kind: 'header' | 'query'; readonly name: string }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      readonly path: string;
      readonly ttlMs: number | undefined;
      /** Written to the cookie that the proxy makes. */
      readonly attributes: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'sourceIp' };

export interface BalancerSpec {
  /** As written: `LEAST_REQUEST`, `ROUND_ROBIN` ...; undefined: the default. */
  readonly simple: string | undefined;
  readonly hash:
    | {
        readonly key: HashKeySpec | undefined;
        readonly algorithm: 'ring' | 'maglev';
        readonly tableSize: number | undefined;
      }
    | undefined;
  readonly warmup:
    | {
        readonly durationMs: number;
        readonly minimumPercent: number | undefined;
        readonly aggression: number | undefined;
      }
    | undefined;
  readonly locality: LocalitySpec | undefined;
}

/** Of `distribute`, `failover` and `failoverPriority` one is written. */
export interface LocalitySpec {
  readonly isEnabled: boolean | undefined;
  /** Also without outlier detection: `zoneAwareLbSetting`. */
  readonly isForced: boolean;
  /** Shares in percent of the localities `region/zone/subzone` for clients at `from`. */
  readonly distribute: readonly { readonly from: string; readonly to: readonly (readonly [string, number])[] }[];
  readonly failover: readonly { readonly from: string; readonly to: string }[];
  /** Labels, `key` or `key=value`. */
  readonly failoverPriority: readonly string[];
  /** Of `zoneAwareLbSetting`: endpoints of the own region below which zones do not count. */
  readonly minClusterSize: number | undefined;
}

/** 0 and undefined mean "not limited". Times in milliseconds. */
export interface PoolSpec {
  readonly maxConnections: number | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly maxConnectionDurationMs: number | undefined;
  readonly tcpIdleTimeoutMs: number | undefined;
  /** What is not written is the system's; undefined: no probes. */
  readonly tcpKeepalive:
    | {
        readonly probes: number | undefined;
        readonly timeMs: number | undefined;
        readonly intervalMs: number | undefined;
      }
    | undefined;
  readonly maxPendingRequests: number | undefined;
  readonly maxRequests: number | undefined;
  readonly maxRequestsPerConnection: number | undefined;
  readonly maxRetries: number | undefined;
  readonly httpIdleTimeoutMs: number | undefined;
  readonly upgradePolicy: string | undefined;
  readonly usesClientProtocol: boolean;
  readonly maxConcurrentStreams: number | undefined;
  /** PING of HTTP/2; undefined: none. */
  readonly http2Keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
}

export interface OutlierSpec {
  readonly consecutive5xx: number | undefined;
  readonly consecutiveGatewayErrors: number | undefined;
  readonly consecutiveLocalFailures: number | undefined;
  readonly splitsLocalFailures: boolean;
  readonly intervalMs: number | undefined;
  readonly baseEjectionMs: number | undefined;
  readonly maxEjectionPercent: number | undefined;
  readonly minHealthPercent: number | undefined;
  /** Statuses that count instead of 5xx; empty: 5xx. */
  readonly errorCodes: readonly number[];
}

export interface ClientTlsSpec {
  readonly mode: string;
  readonly sni: string | undefined;
  readonly subjectAltNames: readonly string[];
  readonly credentialName: string | undefined;
  readonly insecureSkipVerify: boolean;
  /** Files of a sidecar are named; a proxy of ours has none. */
  readonly namesFiles: boolean;
}

/** The parts of a traffic policy that one level can set; undefined is "not set here". */
export interface PolicyParts {
  readonly balancer: BalancerSpec | undefined;
  readonly pool: PoolSpec | undefined;
  readonly outliers: OutlierSpec | undefined;
  readonly tls: ClientTlsSpec | undefined;
  readonly retryBudget:
    | { readonly percent: number; readonly minConcurrency: number; readonly intervalMs: number }
    | undefined;
  /** 1 or 2. */
  readonly proxyProtocol: number | undefined;
}

export interface TrafficPolicySpec extends PolicyParts {
  /** What the hosts, which are forward proxies, are asked to connect to. Of no other level. */
  readonly tunnel:
    | { readonly host: string; readonly port: number; /** As written. */ readonly protocol: string }
    | undefined;
  /** Replace the whole policy for their port. */
  readonly ports: readonly (PolicyParts & { readonly port: number })[];
}

const max32 = 4_294_967_295;

/** Reads `trafficPolicy`. */
export function readTrafficPolicy(reader: ObjectReader): TrafficPolicySpec | undefined {
  return reader.object('trafficPolicy', (policy) => {
    return {
      tunnel: policy.object('tunnel', (tunnel) => ({
        host: tunnel.requiredString('targetHost'),
        port: tunnel.requiredPort('targetPort'),
        protocol: tunnel.string('protocol') ?? '',
      })),
      ...readParts(policy),
      ports: policy.objects('portLevelSettings', (level) => ({
        port: level.requiredObject('port', (port) => port.requiredPort('number')) ?? 0,
        ...readParts(level),
      })),
    };
  });
}

function readParts(reader: ObjectReader): PolicyParts {
  return {
    balancer: reader.object('loadBalancer', readBalancer),
    pool: reader.object('connectionPool', readPool),
    outliers: reader.object('outlierDetection', readOutliers),
    tls: reader.object('tls', readTls),
    retryBudget: reader.object('retryBudget', (budget) => {
      return {
        percent:
          budget.number('percent', 0, 100) ??
          budget.object('percentage', (percentage) => percentage.number('value', 0, 100)) ??
          20,
        minConcurrency: budget.integer('minRetryConcurrency', 0, max32) || 3,
        intervalMs: readDuration(budget, 'budgetInterval') ?? 0,
      };
    }),
    proxyProtocol: reader.object('proxyProtocol', (body) => (body.string('version') === 'V2' ? 2 : 1)),
  };
}

function readBalancer(reader: ObjectReader): BalancerSpec {
  const legacyMs = readDuration(reader, 'warmupDurationSecs');
  const zoneAware = reader.object('zoneAwareLbSetting', (setting) => readLocality(setting, true));
  return {
    simple: reader.string('simple'),
    hash: reader.object('consistentHash', readHash),
    warmup:
      reader.object('warmup', (warmup) => ({
        durationMs: readDuration(warmup, 'duration') ?? 0,
        minimumPercent: warmup.number('minimumPercent', 0, 100),
        aggression: warmup.number('aggression', 1, 1_000),
      })) ??
      (legacyMs === undefined ? undefined : { durationMs: legacyMs, minimumPercent: undefined, aggression: undefined }),
    locality: zoneAware ?? reader.object('localityLbSetting', (setting) => readLocality(setting, false)),
  };
}

function readLocality(reader: ObjectReader, isForced: boolean): LocalitySpec {
  return {
    isEnabled: reader.boolean('enabled'),
    isForced,
    distribute: reader.objects('distribute', (entry) => ({
      from: entry.requiredString('from'),
      to: entry.numberMap('to', 0, 100),
    })),
    failover: reader.objects('failover', (entry) => ({
      from: entry.requiredString('from'),
      to: entry.requiredString('to'),
    })),
    failoverPriority: reader.strings('failoverPriority'),
    minClusterSize: isForced ? reader.integer('minClusterSize', 0, Number.MAX_SAFE_INTEGER) : undefined,
  };
}

function readHash(reader: ObjectReader): NonNullable<BalancerSpec['hash']> {
  const header = reader.string('httpHeaderName');
  const query = reader.string('httpQueryParameterName');
  const isSourceIp = reader.boolean('useSourceIp') ?? false;
  const cookie = reader.object('httpCookie', (body) => {
    return {
      name: body.requiredString('name'),
      path: body.string('path') ?? '',
      ttlMs: readDuration(body, 'ttl'),
      attributes: body.objects('attributes', (attribute) => ({
        name: attribute.requiredString('name'),
        value: attribute.string('value') ?? '',
      })),
    };
  });
  const ring = reader.object('ringHash', (body) => body.integer('minimumRingSize', 1, 8_388_608));
  const maglev = reader.object('maglev', (body) => ({ size: body.integer('tableSize', 1, 5_000_011) }));
  const legacy = reader.integer('minimumRingSize', 1, 8_388_608);
  const key = ((): HashKeySpec | undefined => {
    if (header !== undefined) return { kind: 'header', name: header };
    if (cookie !== undefined) return { kind: 'cookie', ...cookie };
    if (isSourceIp) return { kind: 'sourceIp' };
    return query === undefined ? undefined : { kind: 'query', name: query };
  })();
  return maglev === undefined
    ? { key, algorithm: 'ring', tableSize: ring ?? legacy }
    : { key, algorithm: 'maglev', tableSize: maglev.size };
}

function readPool(reader: ObjectReader): PoolSpec {
  const tcp = reader.object('tcp', (body) => {
    return {
      maxConnections: body.integer('maxConnections', 0, max32),
      connectTimeoutMs: readDuration(body, 'connectTimeout'),
      maxConnectionDurationMs: readDuration(body, 'maxConnectionDuration'),
      tcpIdleTimeoutMs: readDuration(body, 'idleTimeout'),
      tcpKeepalive: body.object('tcpKeepalive', (keepalive) => ({
        probes: keepalive.integer('probes', 0, max32),
        timeMs: readDuration(keepalive, 'time'),
        intervalMs: readDuration(keepalive, 'interval'),
      })),
    };
  });
  const http = reader.object('http', (body) => {
    return {
      maxPendingRequests: body.integer('http1MaxPendingRequests', 0, max32),
      maxRequests: body.integer('http2MaxRequests', 0, max32),
      maxRequestsPerConnection: body.integer('maxRequestsPerConnection', 0, max32),
      maxRetries: body.integer('maxRetries', 0, max32),
      httpIdleTimeoutMs: readDuration(body, 'idleTimeout'),
      upgradePolicy: body.string('h2UpgradePolicy'),
      usesClientProtocol: body.boolean('useClientProtocol') ?? false,
      maxConcurrentStreams: body.integer('maxConcurrentStreams', 0, max32),
      http2Keepalive: body.object('http2KeepAlive', (keepalive) => ({
        intervalMs: readDuration(keepalive, 'interval') ?? 0,
        timeoutMs: readDuration(keepalive, 'timeout') ?? 0,
      })),
    };
  });
  return { ...(tcp ?? noTcp), ...(http ?? noHttp) };
}

const noTcp = {
  maxConnections: undefined,
  connectTimeoutMs: undefined,
  maxConnectionDurationMs: undefined,
  tcpIdleTimeoutMs: undefined,
  tcpKeepalive: undefined,
} as const;
const noHttp = {
  maxPendingRequests: undefined,
  maxRequests: undefined,
  maxRequestsPerConnection: undefined,
  maxRetries: undefined,
  httpIdleTimeoutMs: undefined,
  upgradePolicy: undefined,
  usesClientProtocol: false,
  maxConcurrentStreams: undefined,
  http2Keepalive: undefined,
} as const;

function readOutliers(reader: ObjectReader): OutlierSpec {
  const legacy = reader.integer('consecutiveErrors', 0, max32);
  return {
    consecutive5xx: reader.integer('consecutive5xxErrors', 0, max32) ?? legacy,
    consecutiveGatewayErrors: reader.integer('consecutiveGatewayErrors', 0, max32),
    consecutiveLocalFailures: reader.integer('consecutiveLocalOriginFailures', 0, max32),
    splitsLocalFailures: reader.boolean('splitExternalLocalOriginErrors') ?? false,
    intervalMs: readDuration(reader, 'interval'),
    baseEjectionMs: readDuration(reader, 'baseEjectionTime'),
    maxEjectionPercent: reader.integer('maxEjectionPercent', 0, 100),
    minHealthPercent: reader.integer('minHealthPercent', 0, 100),
    errorCodes: reader.integers('outlierDetectionHttpErrorCodes', 100, 599),
  };
}

function readTls(reader: ObjectReader): ClientTlsSpec {
  reader.doNotHonour('caCrl');
  const files = ['clientCertificate', 'privateKey', 'caCertificates'].filter(
    (name) => (reader.string(name) ?? '') !== '',
  );
  return {
    mode: reader.string('mode') ?? 'DISABLE',
    sni: reader.string('sni'),
    subjectAltNames: reader.strings('subjectAltNames'),
    credentialName: reader.string('credentialName'),
    insecureSkipVerify: reader.boolean('insecureSkipVerify') ?? false,
    namesFiles: files.length > 0,
  };
}

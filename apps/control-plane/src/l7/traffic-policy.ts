/** DestinationRule's traffic policies in the form of the contract. Spec: l7.md section 3.4. */
import { traffic, workload } from '@ambit/api';
import type { BalancerSpec, OutlierSpec, PolicyParts, PoolSpec, TrafficPolicySpec } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { localityOf, type LocalitySurroundings } from './locality.ts';
import { type CredentialFinder, originatedTls } from './origination.ts';
import { duration } from './proto-text.ts';

const noParts: PolicyParts = {
  balancer: undefined,
  pool: undefined,
  outliers: undefined,
  tls: undefined,
  retryBudget: undefined,
  proxyProtocol: undefined,
};

/** What holds for one port: settings for the port replace everything else of the same policy. */
export function partsForPort(policy: TrafficPolicySpec | undefined, port: number): PolicyParts {
  if (policy === undefined) return noParts;
  return policy.ports.find((level) => level.port === port) ?? policy;
}

/** What holds for one port of a subset: its own fields one by one, but its settings for the port as a whole. */
export function partsForSubset(
  rule: TrafficPolicySpec | undefined,
  subset: TrafficPolicySpec | undefined,
  port: number,
): PolicyParts {
  const base = partsForPort(rule, port);
  if (subset === undefined) return base;
  const ofPort = subset.ports.find((level) => level.port === port);
  if (ofPort !== undefined) return ofPort;
  return {
    balancer: subset.balancer ?? base.balancer,
    pool: subset.pool ?? base.pool,
    outliers: subset.outliers ?? base.outliers,
    tls: subset.tls ?? base.tls,
    retryBudget: subset.retryBudget ?? base.retryBudget,
    proxyProtocol: subset.proxyProtocol ?? base.proxyProtocol,
  };
}

/** What else decides about a port. */
export interface TrafficSurroundings extends LocalitySurroundings {
  /** TLS to the backend that another policy asks for; it counts before a DestinationRule's. */
  readonly backendTls: traffic.BackendTls | undefined;
  readonly credential: CredentialFinder;
  /** Names that the service's servers prove. */
  readonly subjectAltNames: readonly string[];
}

/** Undefined when everything is as by default. `level`: the policy of the rule or subset itself, whatever holds for the port. */
export function trafficPolicy(
  parts: PolicyParts,
  level: TrafficPolicySpec | undefined,
  surroundings: TrafficSurroundings,
): traffic.TrafficPolicy | undefined {
  const balancing = balancingOf(parts, surroundings);
  const limits = limitsOf(parts);
  const outliers = parts.outliers === undefined ? undefined : outlierEjection(parts.outliers);
  const tls =
    surroundings.backendTls ?? originatedTls(parts.tls, surroundings.credential, surroundings.subjectAltNames);
  const httpVersion = httpVersionOf(parts.pool);
  const tunnel = level?.tunnel;
  const isDefault = [balancing, limits, outliers, tls, parts.proxyProtocol, httpVersion, tunnel].every(
    (part) => part === undefined,
  );
  if (isDefault) return undefined;
  return create(traffic.TrafficPolicySchema, {
    ...(balancing === undefined ? {} : { balancing }),
    ...(limits === undefined ? {} : { limits }),
    ...(outliers === undefined ? {} : { outliers }),
    ...(tls === undefined ? {} : { tls }),
    proxyProtocol: parts.proxyProtocol ?? 0,
    ...(tunnel === undefined
      ? {}
      : { tunnel: { host: tunnel.host, port: tunnel.port, byPost: tunnel.protocol === 'POST' } }),
    httpVersion: httpVersion ?? traffic.TrafficPolicy_HttpVersion.BY_PORT,
  });
}

const { LEAST_REQUEST, ROUND_ROBIN, RANDOM, PASSTHROUGH, RING_HASH, MAGLEV } = traffic.Balancing_Algorithm;

const algorithms: ReadonlyMap<string, traffic.Balancing_Algorithm> = new Map([
  ['LEAST_REQUEST', LEAST_REQUEST],
  ['LEAST_CONN', LEAST_REQUEST],
  ['ROUND_ROBIN', ROUND_ROBIN],
  ['RANDOM', RANDOM],
  ['PASSTHROUGH', PASSTHROUGH],
]);

function balancingOf(
  { balancer, outliers }: PolicyParts,
  surroundings: LocalitySurroundings,
): traffic.Balancing | undefined {
  const locality = localityOf(balancer, outliers, surroundings);
  const isPassthrough = surroundings.loadBalancing?.mode === workload.LoadBalancing_Mode.PASSTHROUGH;
  if (balancer === undefined && locality === undefined && !isPassthrough) return undefined;
  const hash = balancer?.hash;
  const simple = algorithms.get(balancer?.simple ?? '') ?? (isPassthrough ? PASSTHROUGH : LEAST_REQUEST);
  const algorithm = hash === undefined ? simple : hash.algorithm === 'ring' ? RING_HASH : MAGLEV;
  const key = hash === undefined ? undefined : hashKey(hash);
  const warmup = balancer?.warmup;
  return create(traffic.BalancingSchema, {
    algorithm,
    ...(key === undefined ? {} : { hashKey: { kind: key } }),
    tableSize: BigInt(hash?.tableSize ?? 0),
    ...(warmup === undefined
      ? {}
      : {
          warmup: {
            duration: duration(warmup.durationMs),
            minimumPercent: Math.round(warmup.minimumPercent ?? 10),
            aggressionPermille: Math.round((warmup.aggression ?? 1) * 1_000),
          },
        }),
    // Hashing and locality exclude each other.
    ...(locality === undefined || hash !== undefined ? {} : { locality }),
  });
}

type HashKeyInit = NonNullable<MessageInitShape<typeof traffic.Balancing_HashKeySchema>['kind']>;

function hashKey({ key }: NonNullable<BalancerSpec['hash']>): HashKeyInit | undefined {
  switch (key?.kind) {
    case 'header':
      return { case: 'header', value: key.name.toLowerCase() };
    case 'query':
      return { case: 'queryParameter', value: key.name };
    case 'sourceIp':
      return { case: 'sourceIp', value: true };
    case 'cookie': {
      const { name, path, ttlMs, attributes } = key;
      const ttl = ttlMs === undefined ? {} : { ttl: duration(ttlMs) };
      return { case: 'cookie', value: { name, path, ...ttl, attributes: [...attributes] } };
    }
    case undefined:
      return undefined;
  }
}

function limitsOf({ pool, retryBudget }: PolicyParts): traffic.ConnectionLimits | undefined {
  if (pool === undefined && retryBudget === undefined) return undefined;
  const time = (
    ms: number | undefined,
  ): MessageInitShape<typeof traffic.ConnectionLimitsSchema>['idleTimeout'] | undefined =>
    ms === undefined || ms === 0 ? undefined : duration(ms);
  const connectTimeout = time(pool?.connectTimeoutMs);
  const idleTimeout = time(pool?.httpIdleTimeoutMs ?? pool?.tcpIdleTimeoutMs);
  const maxConnectionDuration = time(pool?.maxConnectionDurationMs);
  return create(traffic.ConnectionLimitsSchema, {
    maxConnections: pool?.maxConnections ?? 0,
    maxPendingRequests: pool?.maxPendingRequests ?? 0,
    maxRequests: pool?.maxRequests ?? 0,
    maxRetries: pool?.maxRetries ?? 0,
    maxRequestsPerConnection: pool?.maxRequestsPerConnection ?? 0,
    maxConcurrentStreams: pool?.maxConcurrentStreams ?? 0,
    ...(connectTimeout === undefined ? {} : { connectTimeout }),
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(maxConnectionDuration === undefined ? {} : { maxConnectionDuration }),
    ...(pool?.tcpKeepalive === undefined ? {} : { keepalive: keepaliveOf(pool.tcpKeepalive) }),
    ...(retryBudget === undefined ? {} : { retryBudget: budgetOf(retryBudget) }),
    ...(pool?.http2Keepalive === undefined ? {} : { ping: pingOf(pool.http2Keepalive) }),
  });
}

function budgetOf({
  percent,
  minConcurrency,
  intervalMs,
}: NonNullable<PolicyParts['retryBudget']>): MessageInitShape<typeof traffic.ConnectionLimits_RetryBudgetSchema> {
  return {
    percent: Math.round(percent),
    minConcurrency,
    ...(intervalMs === 0 ? {} : { interval: duration(intervalMs) }),
  };
}

function pingOf({
  intervalMs,
  timeoutMs,
}: NonNullable<PoolSpec['http2Keepalive']>): MessageInitShape<typeof traffic.ConnectionLimits_PingSchema> {
  return { interval: duration(intervalMs), timeout: duration(timeoutMs) };
}

/** The kernel counts whole seconds: less than one is one. */
function keepaliveOf({
  probes,
  timeMs,
  intervalMs,
}: NonNullable<PoolSpec['tcpKeepalive']>): MessageInitShape<typeof traffic.ConnectionLimits_KeepaliveSchema> {
  const seconds = (ms: number | undefined): number => Math.min(Math.ceil((ms ?? 0) / 1000), 2 ** 31 - 1);
  return { probes: probes ?? 0, timeSec: seconds(timeMs), intervalSec: seconds(intervalMs) };
}

function outlierEjection(spec: OutlierSpec): traffic.OutlierEjection {
  const baseMs = spec.baseEjectionMs ?? 30_000;
  return create(traffic.OutlierEjectionSchema, {
    consecutive5xx: spec.consecutive5xx ?? 5,
    consecutiveGatewayErrors: spec.consecutiveGatewayErrors ?? 0,
    consecutiveLocalFailures: spec.consecutiveLocalFailures ?? 5,
    splitLocalFailures: spec.splitsLocalFailures,
    interval: duration(spec.intervalMs ?? 10_000),
    baseEjection: duration(baseMs),
    maxEjection: duration(Math.max(300_000, baseMs)),
    maxEjectionPercent: spec.maxEjectionPercent ?? 10,
    minHealthPercent: spec.minHealthPercent ?? 0,
    errorCodes: [...new Set(spec.errorCodes)],
  });
}

function httpVersionOf(pool: PoolSpec | undefined): traffic.TrafficPolicy_HttpVersion | undefined {
  if (pool?.usesClientProtocol === true) return traffic.TrafficPolicy_HttpVersion.AS_CLIENT;
  return pool?.upgradePolicy === 'UPGRADE' ? traffic.TrafficPolicy_HttpVersion.HTTP2 : undefined;
}

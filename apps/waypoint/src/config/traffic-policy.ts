/** How the endpoints of a service port, or of a subset of it, are used. Compiled from ambit.v1.TrafficPolicy. */
import type { KeepaliveOptions } from '@ambit/net';
import type { OutlierRules, SimpleAlgorithm } from '@ambit/routing';

import { type LocalityRules, noLocality } from './locality-rules.ts';

/** What consistent hashing looks at. `ttlMs` undefined: the proxy never makes the cookie; 0: a session cookie. */
export type HashKey =
  /** Lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      readonly path: string;
      readonly ttlMs: number | undefined;
      /** As in Set-Cookie; empty or beginning with a semicolon. */ readonly attributes: string;
    }
  | { readonly kind: 'source-ip' }
  | { readonly kind: 'query-parameter'; readonly name: string };

export type BalancingAlgorithm =
  | { readonly kind: 'simple'; readonly algorithm: SimpleAlgorithm }
  /** To where the client was going. */
  | { readonly kind: 'passthrough' }
  /** `size`: least points of the ring, or places of the table; 0: the default. */
  | { readonly kind: 'ring' | 'maglev'; readonly size: number; readonly hashKey: HashKey | undefined };

/** Slow start of new endpoints. */
export interface Warmup {
  readonly durationMs: number;
  readonly minimumPercent: number;
  /** 1 is linear. */
  readonly aggression: number;
}

export interface RetryBudget {
  readonly percent: number;
  readonly minConcurrency: number;
  /** Requests that began within it count too; 0: the active ones alone. */
  readonly intervalMs: number;
}

/** Limits of one proxy; undefined is none. Spec: contract l7 3.4. */
export interface ConnectionLimits {
  readonly maxConnections: number | undefined;
  readonly maxPendingRequests: number | undefined;
  readonly maxRequests: number | undefined;
  readonly maxRetries: number | undefined;
  readonly maxRequestsPerConnection: number | undefined;
  readonly maxConcurrentStreams: number | undefined;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number | undefined;
  /** Of TCP connections to endpoints; tunnels have pings of their own. */
  readonly keepalive: KeepaliveOptions | undefined;
  /** PING of HTTP/2 after so much silence, and how long the answer may take; undefined: none. */
  readonly ping: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
  /** Instead of `maxRetries`: a share of the active requests, but at least `minConcurrency`. */
  readonly retryBudget: RetryBudget | undefined;
}

/** TLS to the backend, inside the tunnel or instead of it. */
export interface BackendTls {
  /** Undefined: the request's host. */
  readonly serverName: string | undefined;
  /** Empty: the server name is verified. */
  readonly subjectAltNames: readonly string[];
  /** `none`: the roots cannot be had, so every connection has to fail. */
  readonly roots:
    | { readonly kind: 'pem'; readonly pem: string }
    | { readonly kind: 'system' }
    | { readonly kind: 'none' };
  /** Revocation lists beside those of the mesh; empty: none. */
  readonly revocationsPem: string;
  readonly clientCertificate: { readonly chainPem: string; readonly keyPem: string } | undefined;
  readonly skipsVerification: boolean;
}

/** A traffic policy with every default filled in. */
export interface TrafficPolicy {
  readonly balancing: BalancingAlgorithm;
  readonly warmup: Warmup | undefined;
  readonly locality: LocalityRules;
  readonly limits: ConnectionLimits;
  readonly outliers: OutlierRules | undefined;
  readonly tls: BackendTls | undefined;
  /** 0: none. */
  readonly proxyProtocol: 0 | 1 | 2;
  /** For connections that are not read as HTTP: the endpoints are forward proxies that are asked for this authority. */
  readonly tunnel: { readonly authority: string; readonly byPost: boolean } | undefined;
  /** `by-port`: as the protocol of the port says. */
  readonly httpVersion: 'by-port' | 'http1' | 'http2' | 'as-client';
}

/** What holds where nothing is configured. */
export const defaultTrafficPolicy: TrafficPolicy = {
  balancing: { kind: 'simple', algorithm: 'least-request' },
  warmup: undefined,
  locality: noLocality,
  limits: {
    maxConnections: undefined,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRetries: undefined,
    maxRequestsPerConnection: undefined,
    maxConcurrentStreams: undefined,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 3_600_000,
    maxConnectionDurationMs: undefined,
    keepalive: undefined,
    ping: undefined,
    retryBudget: undefined,
  },
  outliers: undefined,
  tls: undefined,
  proxyProtocol: 0,
  tunnel: undefined,
  httpVersion: 'by-port',
};

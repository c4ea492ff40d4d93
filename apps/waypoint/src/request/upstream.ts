/**
 * What the path of a request needs of the connections to backends. The request's side decides which backend, how often and
 * how long; this side knows endpoints, limits, pools, tunnels and TLS. Everything on the worker's own thread, nothing waits.
 */
import type { ClientExchange, ClientExchangeUser, RequestHead } from '@ambit/exchange';
import type { Workload } from '@ambit/workload';

import type { BackendTarget } from '../config/backend-target.ts';

/** What a choice of endpoint may depend on. */
export interface UpstreamChoiceFacts {
  /** For consistent hashing, by the key of the target's traffic policy; undefined: no key, or the request lacks it. */
  readonly hash: number | undefined;
  /** Identities (`UpstreamEndpoint.id`) that this request tried before: left out as long as there are others. */
  readonly triedEndpoints: readonly string[];
  /** Endpoints of attempts whose places are left out, as long as there are others; absent: none. */
  readonly leftEndpoints?: readonly string[] | undefined;
  /** Version that the client speaks, for backends that want the same. */
  readonly clientProtocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /**
   * A client of a gateway agreed on its version with the gateway, not with the backend: for ports that do not say what they speak it
   * counts for nothing. gRPC needs HTTP/2 wherever it goes.
   */
  readonly isVersionOfEdge?: boolean;
  /** HTTP/1.1 only: upgrades cannot be asked for over HTTP/2. */
  readonly isUpgrade: boolean;
  /** Where the client was going, for targets whose balancing is PASSTHROUGH; canonical address text. */
  readonly originalAddress: string;
  readonly originalPort: number;
  /** Server name for TLS to a backend whose policy names none: the request's authority without its port. */
  readonly requestHost: string;
  /** `UpstreamEndpoint.sessionTag` that the request's session belongs to; it is chosen if it is usable. */
  readonly sessionTag?: string | undefined;
}

/** An endpoint as logs and metrics show it. One object as long as the endpoint is known. */
export interface UpstreamEndpoint {
  /** Stable over updates. */
  readonly id: string;
  /** `10.1.2.3:8080`, or `[::1]:8080`: what UPSTREAM_HOST shows. */
  readonly address: string;
  /** The endpoint in tokens of sessions. */
  readonly sessionTag: string;
  /** Undefined for addresses outside the mesh. */
  readonly workload: Workload | undefined;
}

/** How an attempt ended, for outlier ejection and the backend's statistics. */
export type AttemptResult =
  /** Status of a backend's answer, complete or not. */
  | { readonly kind: 'response'; readonly status: number }
  /** No connection. */
  | { readonly kind: 'connect-failure' }
  /** The backend did not answer, or broke off. */
  | { readonly kind: 'reset' }
  /** Too slow. */
  | { readonly kind: 'timeout' }
  /** Given up by this side for reasons of its own: says nothing about the endpoint. */
  | { readonly kind: 'canceled' };

/** An endpoint taken for one attempt. Counts as an active request of it until `release`. */
export interface EndpointLease {
  readonly kind: 'endpoint';
  readonly endpoint: UpstreamEndpoint;
  /** Exactly once, also when `open` was never called. */
  release(result: AttemptResult): void;
}

/**
 * `unknown-backend`: no such service, port or subset in the configuration (NC). `no-endpoint`: none, or none healthy (UH).
 * `overflow`: a circuit limit of the target (UO). `resolving`: none yet, as a name is being looked up; to be asked for again soon.
 */
export interface UpstreamFailure {
  readonly kind: 'unknown-backend' | 'no-endpoint' | 'overflow' | 'resolving';
}

/**
 * Why no connection came. `overflow`: a limit of pending requests or connections (UO). `refused`: connect failed, TLS failed, or
 * the tunnel's peer refused. `timeout`: the connect timeout.
 */
export interface ConnectFailure {
  readonly kind: 'refused' | 'timeout' | 'overflow';
  /** For UPSTREAM_TRANSPORT_FAILURE_REASON, an operator's sentence; empty when there is nothing to add. */
  readonly transportReason: string;
}

/** Who waits for a connection and then for the answer. */
export interface UpstreamUser extends ClientExchangeUser {
  /** The head is written; body may follow. Once, perhaps before `open` returns. `localAddress`: for UPSTREAM_LOCAL_ADDRESS. */
  onConnected(exchange: ClientExchange, localAddress: string): void;
  /** Instead of `onConnected`, perhaps before `open` returns; the last call. */
  onConnectFailed(failure: ConnectFailure): void;
}

/** An attempt whose connection may not be there yet. */
export interface PendingAttempt {
  /** No further calls of the user. Only before `onConnected`; afterwards it is the exchange that is aborted. */
  cancel(): void;
}

/** Backends, as a data worker reaches them. */
export interface Upstreams {
  choose(target: BackendTarget, facts: UpstreamChoiceFacts): EndpointLease | UpstreamFailure;
  /** True when the target has that endpoint now. */
  hasEndpoint(target: BackendTarget, sessionTag: string): boolean;
  /**
   * Begins an exchange with the leased endpoint, on a pooled connection or a new one. The head is the caller's, who leaves it
   * alone until `onConnected`. With `isEnd` there is no body.
   */
  open(lease: EndpointLease, head: RequestHead, isEnd: boolean, user: UpstreamUser): PendingAttempt;
  /** Takes one of the retries that the target's limits allow at a time; given back with `endRetry` when the attempt has ended. */
  beginRetry(target: BackendTarget): boolean;
  endRetry(target: BackendTarget): void;
}

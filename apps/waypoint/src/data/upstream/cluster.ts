import {
  type ClientConnection,
  type ClientConnectionOwner,
  type ClientConnectionSettings,
  defaultClientConnectionSettings,
} from '@ambit/exchange';
import type { ByteChannel, EventLoop } from '@ambit/net';
import { OutlierEjector } from '@ambit/routing';

import type { PortProtocol } from '../../config/destination.ts';
import { type BackendTls, defaultTrafficPolicy, type TrafficPolicy } from '../../config/traffic-policy.ts';
import type { AttemptResult, UpstreamChoiceFacts, UpstreamFailure } from '../../request/upstream.ts';
import type { ClusterDescription } from '../../worker-protocol.ts';
import { backendServerName, type BackendTlsOptions } from './backend-tls.ts';
import { EndpointBalancing } from './balance-endpoints.ts';
import { ClusterEndpoint, type EndpointFacts } from './cluster-endpoint.ts';
import { type ChannelDial, type ChannelReceiver, dialEndpoint, type DialSurroundings } from './endpoint-channel.ts';
import { HttpPool, type HttpPoolOwner } from './http-pool.ts';
import { OpenedDial } from './opened-dial.ts';
import { type ConnectionClient, proxyHeader } from './proxy-header.ts';
import type { ProxyTunnelOptions } from './proxy-tunnel.ts';
import { RecentRequests } from './recent-requests.ts';

/** What the clusters of a worker share. */
export interface ClusterSurroundings extends DialSurroundings {
  random(): number;
  /** Other revocation lists hold for certificates of backends now. */
  onListsChanged?(): void;
  connectHttp1(
    channel: ByteChannel,
    owner: ClientConnectionOwner,
    settings: ClientConnectionSettings,
  ): ClientConnection;
  connectHttp2(
    channel: ByteChannel,
    owner: ClientConnectionOwner,
    settings: ClientConnectionSettings,
  ): ClientConnection;
}

/** What a cluster is made of at the moment. */
export interface ClusterFacts {
  readonly policy: TrafficPolicy;
  readonly protocol: PortProtocol;
  readonly serviceHostname: string;
  readonly endpoints: readonly EndpointFacts[];
}

/** For whom a connection is made. */
export interface ConnectionRequest {
  /** Undefined: for requests of anybody. */
  readonly client: ConnectionClient | undefined;
  readonly requestHost: string;
  /** What is to be spoken inside TLS. */
  readonly alpn: readonly string[];
}

const http2Protocols: ReadonlySet<PortProtocol> = new Set(['http2', 'grpc', 'grpc-web']);
/** The connection limits of HTTP, beside those of the policy. */
const maxStreamsByDefault = 1000;

/**
 * The endpoints of one target with their balancing, limits, ejections and connections. Lives as long as the target is
 * configured; changes of endpoints and policy keep what they do not touch.
 */
export class Cluster {
  readonly key: string;
  readonly #surroundings: ClusterSurroundings;
  #policy: TrafficPolicy = defaultTrafficPolicy;
  #protocol: PortProtocol = 'auto';
  #serviceHostname = '';
  #endpoints = new Map<string, ClusterEndpoint>();
  /** Made when a session asks first. */
  #byTag: ReadonlyMap<string, ClusterEndpoint> | undefined;
  #balancing: EndpointBalancing;
  #ejector: OutlierEjector | undefined;
  #activeRequests = 0;
  #pending = 0;
  #connections = 0;
  #retries = 0;
  /** Requests that are over and count for the retry budget; undefined: only those that are active do. */
  #recent: RecentRequests | undefined;

  constructor(key: string, surroundings: ClusterSurroundings) {
    this.key = key;
    this.#surroundings = surroundings;
    this.#balancing = new EndpointBalancing([], this.#policy, this.#clock);
  }

  get policy(): TrafficPolicy {
    return this.#policy;
  }

  /** Takes over a new state of things. */
  update(facts: ClusterFacts): void {
    const before = this.#policy;
    const isSamePolicy = facts.policy === before;
    const isOtherTransport =
      facts.protocol !== this.#protocol || (!isSamePolicy && !isSameTransport(before, facts.policy));
    this.#policy = facts.policy;
    this.#protocol = facts.protocol;
    this.#serviceHostname = facts.serviceHostname;
    if ((before.tls?.revocationsPem ?? '') !== (facts.policy.tls?.revocationsPem ?? ''))
      this.#surroundings.onListsChanged?.();
    if (isOtherTransport) for (const endpoint of this.#endpoints.values()) endpoint.dropConnections();
    const hasChanged = this.#replaceEndpoints(facts.endpoints);
    const budgetMs = facts.policy.limits.retryBudget?.intervalMs ?? 0;
    if (budgetMs !== (before.limits.retryBudget?.intervalMs ?? 0))
      this.#recent = budgetMs === 0 ? undefined : new RecentRequests(budgetMs);
    if (!isSamePolicy && !isSame(before.outliers, facts.policy.outliers)) {
      this.#ejector = facts.policy.outliers === undefined ? undefined : new OutlierEjector(facts.policy.outliers);
    }
    if (!hasChanged && (isSamePolicy || isSameBalancing(before, facts.policy))) return;
    this.#ejector?.keepOnly(new Set(this.#endpoints.keys()));
    this.#balancing = new EndpointBalancing([...this.#endpoints.values()], facts.policy, this.#clock);
  }

  choose(facts: UpstreamChoiceFacts): EndpointTurn | UpstreamFailure {
    const { maxRequests } = this.#policy.limits;
    if (maxRequests !== undefined && this.#activeRequests >= maxRequests) return { kind: 'overflow' };
    this.#ejector?.sweep(this.#surroundings.loop.nowMs);
    const endpoint = this.#ofSession(facts) ?? this.#balancing.pick(facts, this.#ejector);
    if (endpoint === undefined) return { kind: 'no-endpoint' };
    return this.take(endpoint, facts);
  }

  /** A turn of a certain endpoint. */
  take(endpoint: ClusterEndpoint, facts: UpstreamChoiceFacts): EndpointTurn {
    this.#activeRequests += 1;
    endpoint.activeRequests += 1;
    return new EndpointTurn(this, endpoint, facts, this.#surroundings.loop.nowMs);
  }

  /** The endpoint that a session belongs to. */
  endpointOfTag(tag: string): ClusterEndpoint | undefined {
    this.#byTag ??= new Map([...this.#endpoints.values()].map((endpoint) => [endpoint.sessionTag, endpoint]));
    return this.#byTag.get(tag);
  }

  /** The endpoint of that id, for targets whose endpoint the client names. */
  endpoint(id: string): ClusterEndpoint | undefined {
    return this.#endpoints.get(id);
  }

  release({ endpoint, startMs }: EndpointTurn, result: AttemptResult): void {
    this.#activeRequests -= 1;
    this.#recent?.note(startMs, this.#surroundings.loop.nowMs);
    endpoint.activeRequests -= 1;
    if (result.kind === 'canceled' || this.#ejector === undefined || !this.#endpoints.has(endpoint.id)) return;
    const noted = result.kind === 'response' ? result : ({ kind: 'local' } as const);
    this.#ejector.note(endpoint.id, noted, this.#endpoints.size, this.#surroundings.loop.nowMs);
  }

  beginRetry(): boolean {
    const { maxRetries, retryBudget } = this.#policy.limits;
    const counted = this.#activeRequests + (this.#recent?.count(this.#surroundings.loop.nowMs) ?? 0);
    const most =
      retryBudget === undefined
        ? maxRetries
        : Math.max(retryBudget.minConcurrency, (counted * retryBudget.percent) / 100);
    if (most !== undefined && this.#retries >= most) return false;
    this.#retries += 1;
    return true;
  }

  /** Retries that began with another cluster of the same target count for nothing. */
  endRetry(): void {
    this.#retries = Math.max(0, this.#retries - 1);
  }

  /** The pool for a request to the endpoint. */
  pool(endpoint: ClusterEndpoint, facts: UpstreamChoiceFacts): HttpPool {
    const isHttp2 = this.#isHttp2(facts);
    const { tls } = this.#policy;
    const name = tls === undefined ? '' : backendServerName(tls, facts.requestHost);
    const alpn = isHttp2 ? 'h2' : 'http/1.1';
    return endpoint.pool(`${alpn} ${name}`, () => new HttpPool(this.#poolOwner(endpoint, isHttp2, facts), isHttp2));
  }

  /** A connection to the endpoint, opened as the policy says. */
  dial(endpoint: ClusterEndpoint, request: ConnectionRequest, receiver: ChannelReceiver): ChannelDial {
    const { tls, limits, proxyProtocol } = this.#policy;
    const { client, requestHost } = request;
    if (proxyProtocol !== 0 && client === undefined) {
      // Connections that many clients share can tell of none.
      return failSoon(this.#surroundings.loop, 'the PROXY protocol is not spoken to HTTP backends', receiver);
    }
    const timeoutMs = limits.connectTimeoutMs;
    const target = {
      route: endpoint.route,
      address: endpoint.socketAddress,
      serviceHostname: this.#serviceHostname,
      timeoutMs,
      keepalive: limits.keepalive,
    };
    // Requests go to the proxy itself: it is connections of clients that it passes on.
    const tunnel = client === undefined ? undefined : this.#tunnel(timeoutMs);
    const alpn = tunnel === undefined ? request.alpn : [tunnel.version];
    if (tls === undefined && proxyProtocol === 0 && tunnel === undefined)
      return dialEndpoint(this.#surroundings, target, receiver);
    const opening = {
      tunnel,
      prelude: proxyProtocol === 0 || client === undefined ? undefined : proxyHeader(proxyProtocol, client),
      tls: tls === undefined ? undefined : { ...this.#revocable(tls), requestHost, alpn, timeoutMs },
    };
    return new OpenedDial(this.#surroundings, target, opening, receiver);
  }

  /** Undefined without a forward proxy. */
  #tunnel(timeoutMs: number): (ProxyTunnelOptions & { readonly version: 'h2' | 'http/1.1' }) | undefined {
    const { tunnel, httpVersion } = this.#policy;
    if (tunnel === undefined) return undefined;
    const isHttp2 = httpVersion === 'http2' || (httpVersion === 'by-port' && http2Protocols.has(this.#protocol));
    const { connectHttp1, connectHttp2 } = this.#surroundings;
    const connect = isHttp2 ? connectHttp2 : connectHttp1;
    return { ...tunnel, timeoutMs, connect, version: isHttp2 ? 'h2' : 'http/1.1' };
  }

  #revocable(tls: BackendTls): Pick<BackendTlsOptions, 'tls' | 'current' | 'watched'> {
    return { tls, current: () => this.#policy.tls ?? tls, watched: this.#surroundings.secured };
  }

  /** The target is gone: no new requests, connections end when they are idle. */
  retire(): void {
    this.#replaceEndpoints([]);
  }

  takeConnection(isFirst: boolean): boolean {
    const { maxConnections } = this.#policy.limits;
    // Envoy: a pool that has none may make one, whatever the others have.
    if (!isFirst && maxConnections !== undefined && this.#connections >= maxConnections) return false;
    this.#connections += 1;
    return true;
  }

  giveConnection(): void {
    this.#connections -= 1;
    if (this.#policy.limits.maxConnections === undefined || this.#pending === 0) return;
    for (const { pools } of this.#endpoints.values()) for (const pool of pools) pool.dialForWaiting();
  }

  describe(): ClusterDescription {
    return {
      target: this.key,
      activeRequests: this.#activeRequests,
      endpoints: [...this.#endpoints.values()].map((endpoint) => ({
        id: endpoint.id,
        address: endpoint.address,
        activeRequests: endpoint.activeRequests,
        isEjected: this.#ejector?.isUsable(endpoint.id, this.#endpoints.size) === false,
        connections: endpoint.connectionCount,
      })),
    };
  }

  get #clock(): { readonly nowMs: number; random(): number } {
    const { loop, random } = this.#surroundings;
    return {
      get nowMs(): number {
        return loop.nowMs;
      },
      random,
    };
  }

  /** Undefined when the session's endpoint is gone, ejected, or has failed this request. */
  #ofSession({ sessionTag, triedEndpoints }: UpstreamChoiceFacts): ClusterEndpoint | undefined {
    const endpoint = sessionTag === undefined ? undefined : this.endpointOfTag(sessionTag);
    if (endpoint === undefined || triedEndpoints.includes(endpoint.id)) return undefined;
    return this.#ejector?.isUsable(endpoint.id, this.#endpoints.size) === false ? undefined : endpoint;
  }

  #isHttp2({ clientProtocol, isVersionOfEdge = false, isUpgrade }: UpstreamChoiceFacts): boolean {
    if (isUpgrade) return false;
    switch (this.#policy.httpVersion) {
      case 'http1':
        return false;
      case 'http2':
        return true;
      case 'as-client':
        return clientProtocol === 'HTTP/2';
      case 'by-port':
    }
    if (this.#protocol === 'auto') return clientProtocol === 'HTTP/2' && !isVersionOfEdge;
    return http2Protocols.has(this.#protocol);
  }

  /** Whether the set, or what balancing looks at, is another one now. */
  #replaceEndpoints(found: readonly EndpointFacts[]): boolean {
    const next = new Map<string, ClusterEndpoint>();
    let hasChanged = false;
    for (const facts of found) {
      if (next.has(facts.id)) continue;
      const known = this.#endpoints.get(facts.id);
      if (known?.isReachedAs(facts) === true) {
        hasChanged = known.update(facts) || hasChanged;
        next.set(facts.id, known);
      } else {
        next.set(facts.id, new ClusterEndpoint(facts, this.#surroundings.loop.nowMs));
        hasChanged = true;
      }
    }
    for (const [id, endpoint] of this.#endpoints) {
      if (next.get(id) === endpoint) continue;
      endpoint.leave();
      hasChanged = true;
    }
    this.#endpoints = next;
    if (hasChanged) this.#byTag = undefined;
    return hasChanged;
  }

  #poolOwner(endpoint: ClusterEndpoint, isHttp2: boolean, { requestHost }: UpstreamChoiceFacts): HttpPoolOwner {
    const { loop, connectHttp1, connectHttp2 } = this.#surroundings;
    const { limits } = this.#policy;
    const defaults = defaultClientConnectionSettings;
    const maxStreams = limits.maxConcurrentStreams ?? maxStreamsByDefault;
    const { ping } = limits;
    const pings = ping === undefined ? {} : { pingIntervalMs: ping.intervalMs, pingTimeoutMs: ping.timeoutMs };
    return {
      loop,
      connect: isHttp2 ? connectHttp2 : connectHttp1,
      dial: (receiver) =>
        this.dial(endpoint, { client: undefined, requestHost, alpn: [isHttp2 ? 'h2' : 'http/1.1'] }, receiver),
      settings: {
        ...defaults,
        idleTimeoutMs: limits.idleTimeoutMs,
        http2: { ...defaults.http2, maxStreams, ...pings },
      },
      maxRequestsPerConnection: limits.maxRequestsPerConnection,
      maxConnectionDurationMs: limits.maxConnectionDurationMs,
      takeConnection: (isFirst) => this.takeConnection(isFirst),
      giveConnection: () => this.giveConnection(),
      takePending: () => {
        const { maxPendingRequests } = this.#policy.limits;
        if (maxPendingRequests !== undefined && this.#pending >= maxPendingRequests) return false;
        this.#pending += 1;
        return true;
      },
      givePending: () => {
        this.#pending -= 1;
      },
    };
  }
}

/** An endpoint taken for one attempt. */
export class EndpointTurn {
  readonly kind = 'endpoint' as const;
  readonly cluster: Cluster;
  readonly endpoint: ClusterEndpoint;
  readonly facts: UpstreamChoiceFacts;
  readonly startMs: number;
  #isReleased = false;

  constructor(cluster: Cluster, endpoint: ClusterEndpoint, facts: UpstreamChoiceFacts, startMs: number) {
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.facts = facts;
    this.startMs = startMs;
  }

  release(result: AttemptResult): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.cluster.release(this, result);
  }
}

function failSoon(loop: EventLoop, transportReason: string, receiver: ChannelReceiver): ChannelDial {
  const timer = loop.setTimer(0, { onTimer: () => receiver.onChannelFailed({ kind: 'refused', transportReason }) });
  return { cancel: () => loop.clearTimer(timer) };
}

/** Policies are plain data, compiled anew with every change of their resource. */
function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** Whether connections made under one are good under the other. */
function isSameTransport(one: TrafficPolicy, other: TrafficPolicy): boolean {
  return (
    isSame(one.tls, other.tls) &&
    isSame(one.limits, other.limits) &&
    one.proxyProtocol === other.proxyProtocol &&
    one.httpVersion === other.httpVersion
  );
}

function isSameBalancing(one: TrafficPolicy, other: TrafficPolicy): boolean {
  return isSame(one.balancing, other.balancing) && isSame(one.warmup, other.warmup);
}

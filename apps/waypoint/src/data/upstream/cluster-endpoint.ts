import { formatSocketAddress, type SocketAddress } from '@ambit/net';
import type { BalancedEndpoint } from '@ambit/routing';
import type { Workload } from '@ambit/workload';

import { sessionTagOf } from '../../request/session-tag.ts';
import type { UpstreamEndpoint } from '../../request/upstream.ts';
import type { EndpointRoute } from './endpoint-route.ts';
import type { HttpPool } from './http-pool.ts';

/** Where an endpoint is and what it is worth, as the mesh's state says now. */
export interface EndpointFacts {
  /** Stable over updates. */
  readonly id: string;
  readonly socketAddress: SocketAddress;
  readonly route: EndpointRoute;
  readonly workload: Workload | undefined;
  readonly weight: number;
  /** Higher is nearer. */
  readonly rank: number;
  /** The place whose share of the requests it takes part in, by a key; undefined: place has no share. */
  readonly share: { readonly key: number; readonly weight: number } | undefined;
}

/** Pools of one endpoint: a pair for each name that a backend with TLS is asked for by. */
const maxPools = 64;

/** One endpoint of a cluster: lives, with its connections, as long as the endpoint is known and reached in the same way. */
export class ClusterEndpoint implements BalancedEndpoint, UpstreamEndpoint {
  readonly id: string;
  readonly address: string;
  readonly socketAddress: SocketAddress;
  readonly route: EndpointRoute;
  readonly knownSinceMs: number;
  workload: Workload | undefined;
  weight: number;
  rank: number;
  share: EndpointFacts['share'];
  activeRequests = 0;
  readonly #pools = new Map<string, HttpPool>();
  #isGone = false;
  #sessionTag: string | undefined;

  constructor(facts: EndpointFacts, nowMs: number) {
    this.id = facts.id;
    this.socketAddress = facts.socketAddress;
    this.address = formatSocketAddress(facts.socketAddress);
    this.route = facts.route;
    this.knownSinceMs = nowMs;
    this.workload = facts.workload;
    this.weight = facts.weight;
    this.rank = facts.rank;
    this.share = facts.share;
  }

  get sessionTag(): string {
    return (this.#sessionTag ??= sessionTagOf(this.id));
  }

  get connectionCount(): number {
    let sum = 0;
    for (const pool of this.#pools.values()) sum += pool.connectionCount;
    return sum;
  }

  get pools(): Iterable<HttpPool> {
    return this.#pools.values();
  }

  /** The pool of that kind. Clients may name any number of servers: the pool that was made first makes room. */
  pool(key: string, make: () => HttpPool): HttpPool {
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const pool = make();
    if (this.#isGone) {
      pool.retire();
      return pool;
    }
    const oldest = this.#pools.size >= maxPools ? this.#pools.entries().next().value : undefined;
    if (oldest !== undefined) {
      oldest[1].retire();
      this.#pools.delete(oldest[0]);
    }
    this.#pools.set(key, pool);
    return pool;
  }

  /** Is it reached as it was? If not, another endpoint takes its place. */
  isReachedAs({ socketAddress, route }: EndpointFacts): boolean {
    return (
      socketAddress.address === this.socketAddress.address &&
      socketAddress.port === this.socketAddress.port &&
      route.kind === this.route.kind &&
      (route.kind !== 'hbone' ||
        (this.route.kind === 'hbone' &&
          route.identity === this.route.identity &&
          route.authority === this.route.authority))
    );
  }

  /** Takes over what may change; true if that matters for balancing. */
  update({ workload, weight, rank, share }: EndpointFacts): boolean {
    const isSameShare = share?.key === this.share?.key && share?.weight === this.share?.weight;
    const hasChanged = weight !== this.weight || rank !== this.rank || !isSameShare;
    this.workload = workload;
    this.weight = weight;
    this.rank = rank;
    this.share = share;
    return hasChanged;
  }

  /** Gone: a turn that was taken before still gets its connection, which ends with it. */
  get isGone(): boolean {
    return this.#isGone;
  }

  leave(): void {
    this.#isGone = true;
    this.dropConnections();
  }

  /** No new requests on the connections there are. */
  dropConnections(): void {
    for (const pool of this.#pools.values()) pool.retire();
    this.#pools.clear();
  }
}

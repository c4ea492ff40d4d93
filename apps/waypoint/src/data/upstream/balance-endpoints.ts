/** Chooses among the endpoints of a cluster: nearest group first, spilling to the next as endpoints of it are ejected. */
import {
  type Balancer,
  maglevBalancer,
  type OutlierEjector,
  ringBalancer,
  simpleBalancer,
  slowStartFactor,
  WeightedChoice,
} from '@ambit/routing';

import type { TrafficPolicy } from '../../config/traffic-policy.ts';
import type { UpstreamChoiceFacts } from '../../request/upstream.ts';
import type { ClusterEndpoint } from './cluster-endpoint.ts';

/** Envoy: a group with five of seven endpoints left still takes everything. */
const overprovisioning = 1.4;

interface Group {
  readonly endpoints: readonly ClusterEndpoint[];
  readonly balancer: Balancer;
}

export interface BalancingClock {
  readonly nowMs: number;
  random(): number;
}

/** Made for one set of endpoints. */
export class EndpointBalancing {
  readonly #groups: readonly Group[];
  readonly #count: number;
  readonly #byId: ReadonlyMap<string, ClusterEndpoint>;
  readonly #clock: BalancingClock;
  /** Places with their shares, which take turns; undefined: the nearest group takes all. */
  readonly #turns: WeightedChoice | undefined;

  constructor(endpoints: readonly ClusterEndpoint[], policy: TrafficPolicy, clock: BalancingClock) {
    const shares = new Map(endpoints.flatMap(({ share }) => (share === undefined ? [] : [[share.key, share.weight]])));
    this.#turns = shares.size === 0 ? undefined : new WeightedChoice([...shares.values()]);
    this.#groups = (shares.size === 0 ? byRank(endpoints) : byShare(endpoints, [...shares.keys()])).map((members) => ({
      endpoints: members,
      balancer: balancerOf(members, policy, clock),
    }));
    this.#count = endpoints.length;
    this.#byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#clock = clock;
  }

  /** Undefined if none is usable. Endpoints that were tried, and groups that are left, are taken only if there are no others. */
  pick(
    {
      hash,
      triedEndpoints: tried,
      leftEndpoints,
    }: Pick<UpstreamChoiceFacts, 'hash' | 'triedEndpoints' | 'leftEndpoints'>,
    ejector: OutlierEjector | undefined,
  ): ClusterEndpoint | undefined {
    const isHealthy = (id: string): boolean => ejector?.isUsable(id, this.#count) !== false;
    const drawn = this.#order(ejector === undefined || ejector.ejectedCount === 0 ? undefined : isHealthy);
    const order = leftEndpoints === undefined ? drawn : leftLast(drawn, leftEndpoints);
    for (const group of order) {
      const picked = group.balancer.pick(hash, ({ id }) => isHealthy(id) && !tried.includes(id));
      if (picked !== undefined) return this.#byId.get(picked.id);
    }
    if (tried.length === 0) return undefined;
    for (const group of order) {
      const picked = group.balancer.pick(hash, ({ id }) => isHealthy(id));
      if (picked !== undefined) return this.#byId.get(picked.id);
    }
    return undefined;
  }

  /** The groups, beginning with the one whose share was drawn. `isHealthy` undefined: all are. */
  #order(isHealthy: ((id: string) => boolean) | undefined): readonly Group[] {
    if (this.#turns !== undefined) {
      // The place whose turn it is, and the others in case that nobody there can take it.
      const turn = this.#turns.next() ?? 0;
      return [...this.#groups.slice(turn), ...this.#groups.slice(0, turn)];
    }
    if (this.#groups.length < 2 || isHealthy === undefined) return this.#groups;
    let left = this.#clock.random();
    for (const [i, group] of this.#groups.entries()) {
      const healthy = group.endpoints.filter(({ id }) => isHealthy(id)).length;
      left -= Math.min(1, (healthy / group.endpoints.length) * overprovisioning);
      if (left < 0) return [...this.#groups.slice(i), ...this.#groups.slice(0, i)];
    }
    return this.#groups;
  }
}

/** Groups of these endpoints come after all others. Envoy: previous_priorities. */
function leftLast(groups: readonly Group[], left: readonly string[]): readonly Group[] {
  const isLeft = ({ endpoints }: Group): boolean => endpoints.some(({ id }) => left.includes(id));
  return [...groups.filter((group) => !isLeft(group)), ...groups.filter(isLeft)];
}

/** Nearest first. */
function byRank(endpoints: readonly ClusterEndpoint[]): readonly (readonly ClusterEndpoint[])[] {
  const ranks = [...new Set(endpoints.map(({ rank }) => rank))].toSorted((a, b) => b - a);
  return ranks.map((rank) => endpoints.filter((endpoint) => endpoint.rank === rank));
}

function byShare(
  endpoints: readonly ClusterEndpoint[],
  keys: readonly number[],
): readonly (readonly ClusterEndpoint[])[] {
  return keys.map((key) => endpoints.filter(({ share }) => share?.key === key));
}

function balancerOf(endpoints: readonly ClusterEndpoint[], policy: TrafficPolicy, clock: BalancingClock): Balancer {
  const { balancing, warmup } = policy;
  const random = (): number => clock.random();
  switch (balancing.kind) {
    case 'ring':
      return ringBalancer({ endpoints, random, ...(balancing.size === 0 ? {} : { minimumPoints: balancing.size }) });
    case 'maglev':
      return maglevBalancer({ endpoints, random, ...(balancing.size === 0 ? {} : { tableSize: balancing.size }) });
    case 'simple':
    case 'passthrough':
      return simpleBalancer({
        endpoints,
        random,
        algorithm: balancing.kind === 'simple' ? balancing.algorithm : 'least-request',
        ...(warmup === undefined ? {} : { weightFactor: slowStartFactor(warmup, () => clock.nowMs) }),
      });
  }
}

/** What a balancer may look at. `activeRequests` is counted by whoever sends requests. */
export interface BalancedEndpoint {
  /** Stable over updates: the workload's UID and port. */
  readonly id: string;
  /** 1 or more; 0 takes no traffic. */
  readonly weight: number;
  /** Monotonic; when the endpoint became known: slow start counts from it. */
  readonly knownSinceMs: number;
  activeRequests: number;
}

/**
 * Chooses one of the endpoints it was made for. `hash` is of the request, for consistent hashing; undefined when the key
 * is missing, then the choice is random. `isUsable` leaves out ejected endpoints and those already tried. Undefined if
 * none is usable. Endpoints are fixed: a change of the set makes a new balancer.
 */
export interface Balancer {
  pick(hash: number | undefined, isUsable: (endpoint: BalancedEndpoint) => boolean): BalancedEndpoint | undefined;
}

export type SimpleAlgorithm = 'least-request' | 'round-robin' | 'random';

/** A share of an endpoint's weight from 0 to 1: full after slow start. */
export type WeightFactor = (endpoint: BalancedEndpoint) => number;

/** How many random pairs are tried before the usable endpoints are listed; misses are rare, lists cost. */
const maxBlindPicks = 8;

export interface SimpleBalancerOptions {
  readonly endpoints: readonly BalancedEndpoint[];
  readonly algorithm: SimpleAlgorithm;
  /** 0 to under 1. */
  readonly random: () => number;
  readonly weightFactor?: WeightFactor;
}

/** Least request of two, round robin by weight, or random by weight. */
export function simpleBalancer(options: SimpleBalancerOptions): Balancer {
  const endpoints = options.endpoints.filter((endpoint) => endpoint.weight > 0);
  const factor = options.weightFactor ?? ((): number => 1);
  switch (options.algorithm) {
    case 'least-request':
      return new LeastRequest(endpoints, options.random, factor);
    case 'round-robin':
      return new RoundRobin(endpoints, factor);
    case 'random':
      return new WeightedRandom(endpoints, options.random, factor);
  }
}

/**
 * Two endpoints at random, the less busy one wins; with different weights, the one with more weight per request in flight.
 * Istio's default.
 */
class LeastRequest implements Balancer {
  readonly #endpoints: readonly BalancedEndpoint[];
  readonly #random: () => number;
  readonly #factor: WeightFactor;

  constructor(endpoints: readonly BalancedEndpoint[], random: () => number, factor: WeightFactor) {
    this.#endpoints = endpoints;
    this.#random = random;
    this.#factor = factor;
  }

  pick(_hash: number | undefined, isUsable: (endpoint: BalancedEndpoint) => boolean): BalancedEndpoint | undefined {
    const first = this.#draw(isUsable);
    if (first === undefined) return undefined;
    const second = this.#draw((endpoint) => endpoint !== first && isUsable(endpoint));
    return second === undefined || this.#score(first) >= this.#score(second) ? first : second;
  }

  #score(endpoint: BalancedEndpoint): number {
    return (endpoint.weight * this.#factor(endpoint)) / (endpoint.activeRequests + 1);
  }

  #draw(isUsable: (endpoint: BalancedEndpoint) => boolean): BalancedEndpoint | undefined {
    for (let i = 0; i < maxBlindPicks; i++) {
      const endpoint = this.#endpoints[Math.floor(this.#random() * this.#endpoints.length)];
      if (endpoint !== undefined && isUsable(endpoint)) return endpoint;
    }
    const usable = this.#endpoints.filter(isUsable);
    return usable[Math.floor(this.#random() * usable.length)];
  }
}

/** Smooth weighted round robin, as `WeightedChoice`, over the usable endpoints. */
class RoundRobin implements Balancer {
  readonly #endpoints: readonly BalancedEndpoint[];
  readonly #factor: WeightFactor;
  readonly #credit: number[];

  constructor(endpoints: readonly BalancedEndpoint[], factor: WeightFactor) {
    this.#endpoints = endpoints;
    this.#factor = factor;
    this.#credit = endpoints.map(() => 0);
  }

  pick(_hash: number | undefined, isUsable: (endpoint: BalancedEndpoint) => boolean): BalancedEndpoint | undefined {
    let best: BalancedEndpoint | undefined;
    let bestAt = -1;
    let bestCredit = Number.NEGATIVE_INFINITY;
    let total = 0;
    for (const [i, endpoint] of this.#endpoints.entries()) {
      if (!isUsable(endpoint)) continue;
      const weight = endpoint.weight * this.#factor(endpoint);
      const credit = (this.#credit[i] ?? 0) + weight;
      this.#credit[i] = credit;
      total += weight;
      if (credit > bestCredit) {
        best = endpoint;
        bestAt = i;
        bestCredit = credit;
      }
    }
    if (best !== undefined) this.#credit[bestAt] = bestCredit - total;
    return best;
  }
}

class WeightedRandom implements Balancer {
  readonly #endpoints: readonly BalancedEndpoint[];
  readonly #random: () => number;
  readonly #factor: WeightFactor;

  constructor(endpoints: readonly BalancedEndpoint[], random: () => number, factor: WeightFactor) {
    this.#endpoints = endpoints;
    this.#random = random;
    this.#factor = factor;
  }

  pick(_hash: number | undefined, isUsable: (endpoint: BalancedEndpoint) => boolean): BalancedEndpoint | undefined {
    let total = 0;
    for (const endpoint of this.#endpoints) if (isUsable(endpoint)) total += endpoint.weight * this.#factor(endpoint);
    let rest = this.#random() * total;
    let last: BalancedEndpoint | undefined;
    for (const endpoint of this.#endpoints) {
      if (!isUsable(endpoint)) continue;
      last = endpoint;
      rest -= endpoint.weight * this.#factor(endpoint);
      if (rest < 0) return endpoint;
    }
    return last;
  }
}

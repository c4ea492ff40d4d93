import { createHash } from 'node:crypto';

import type { BalancedEndpoint, Balancer } from './balancer.ts';

/** 32 bits of a text, evenly spread and not to be steered by who chooses the text. */
export function hashText(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

interface ConsistentHashOptions {
  readonly endpoints: readonly BalancedEndpoint[];
  readonly random: () => number;
}

/** Most points that a ring may have: the weights of a thousand endpoints must not make a hundred megabytes. */
const maxRingPoints = 1 << 18;
/** Maglev's default size; a prime, as each endpoint must visit every place. */
const maglevTableSize = 65_537;

/**
 * Ring hash: an endpoint owns the stretch of numbers before each of its points, so that a change of one endpoint moves only
 * the keys of its own stretches. At least `minimumPoints` in all, by weight.
 */
export function ringBalancer(options: ConsistentHashOptions & { readonly minimumPoints?: number }): Balancer {
  const endpoints = options.endpoints.filter((endpoint) => endpoint.weight > 0);
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
  const wanted = Math.min(Math.max(options.minimumPoints ?? 1024, endpoints.length), maxRingPoints);
  const points: { at: number; endpoint: BalancedEndpoint }[] = [];
  for (const endpoint of endpoints) {
    const count = Math.max(1, Math.round((wanted * endpoint.weight) / total));
    for (let i = 0; i < count; i++) points.push({ at: hashText(`${endpoint.id}_${i}`), endpoint });
  }
  points.sort((a, b) => a.at - b.at || (a.endpoint.id < b.endpoint.id ? -1 : 1));
  const table = points.map(({ endpoint }) => endpoint);
  const positions = Uint32Array.from(points, ({ at }) => at);
  return new TableBalancer(table, endpoints, options.random, (hash) => firstAtOrAfter(positions, hash));
}

/** Maglev: a table in which every endpoint takes turns at claiming its next preferred place. Even shares, quick lookup. */
export function maglevBalancer(options: ConsistentHashOptions & { readonly tableSize?: number }): Balancer {
  const endpoints = options.endpoints.filter((endpoint) => endpoint.weight > 0);
  const size = options.tableSize ?? maglevTableSize;
  const table = maglevTable(endpoints, size);
  return new TableBalancer(table, endpoints, options.random, (hash) => hash % size);
}

function maglevTable(endpoints: readonly BalancedEndpoint[], size: number): readonly BalancedEndpoint[] {
  const heaviest = Math.max(...endpoints.map(({ weight }) => weight), 1);
  const walks = endpoints.map((endpoint) => ({
    endpoint,
    share: endpoint.weight / heaviest,
    credit: 0,
    at: hashText(`${endpoint.id}_offset`) % size,
    skip: (hashText(`${endpoint.id}_skip`) % (size - 1)) + 1,
  }));
  const table: (BalancedEndpoint | undefined)[] = Array.from({ length: size }, () => undefined);
  let filled = 0;
  while (filled < size && walks.length > 0) {
    for (const walk of walks) {
      walk.credit += walk.share;
      if (walk.credit < 1 || filled === size) continue;
      walk.credit -= 1;
      while (table[walk.at] !== undefined) walk.at = (walk.at + walk.skip) % size;
      table[walk.at] = walk.endpoint;
      filled += 1;
    }
  }
  return table.filter((endpoint) => endpoint !== undefined);
}

class TableBalancer implements Balancer {
  readonly #table: readonly BalancedEndpoint[];
  readonly #endpoints: readonly BalancedEndpoint[];
  readonly #random: () => number;
  readonly #place: (hash: number) => number;

  constructor(
    table: readonly BalancedEndpoint[],
    endpoints: readonly BalancedEndpoint[],
    random: () => number,
    place: (hash: number) => number,
  ) {
    this.#table = table;
    this.#endpoints = endpoints;
    this.#random = random;
    this.#place = place;
  }

  pick(hash: number | undefined, isUsable: (endpoint: BalancedEndpoint) => boolean): BalancedEndpoint | undefined {
    if (hash === undefined) {
      const usable = this.#endpoints.filter(isUsable);
      return usable[Math.floor(this.#random() * usable.length)];
    }
    const start = this.#place(hash);
    // The next places belong to others: keys of an endpoint that is out spread over all of them.
    for (let i = 0; i < this.#table.length; i++) {
      const endpoint = this.#table[(start + i) % this.#table.length];
      if (endpoint !== undefined && isUsable(endpoint)) return endpoint;
    }
    return undefined;
  }
}

function firstAtOrAfter(positions: Uint32Array, hash: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  return low === positions.length ? 0 : low;
}

import type { PathTest, RoutedRequest, RouteTest } from '@ambit/routing';

import type { CompiledRoute, FoundRoute } from './route.ts';

/**
 * What a path must be, or begin with, for a match to be possible: narrows the search, decides nothing. Undefined: any path.
 */
export type PathKey =
  | { readonly kind: 'exact'; readonly path: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | undefined;

interface Candidate {
  readonly route: CompiledRoute;
  /** Undefined: matches everything. */
  readonly test: RouteTest | undefined;
}

/** Below this many matches looking at each is as quick. */
const leastIndexed = 16;
const noPath: PathTest | undefined = undefined;

/**
 * Routes in their order, the first that matches decides. With many of them only those are looked at whose path may be the
 * request's: a thousand routes by path cost little more than one. The order stays: candidates of all kinds are merged by place.
 */
export class RouteTable {
  readonly routes: readonly CompiledRoute[];
  readonly #candidates: readonly Candidate[];
  /** Places of candidates that fit any path, ascending as all lists of places. */
  readonly #anywhere: readonly number[];
  readonly #exact: ReadonlyMap<string, readonly number[]>;
  /** By length of the prefix, then by the prefix. */
  readonly #prefixes: readonly { readonly length: number; readonly places: ReadonlyMap<string, readonly number[]> }[];

  constructor(routes: readonly CompiledRoute[]) {
    this.routes = routes;
    const candidates: Candidate[] = [];
    const anywhere: number[] = [];
    const exact = new Map<string, number[]>();
    const prefixes = new Map<number, Map<string, number[]>>();
    for (const route of routes) {
      if (route.tests.length === 0) anywhere.push(candidates.push({ route, test: undefined }) - 1);
      for (const [i, test] of route.tests.entries()) {
        const place = candidates.push({ route, test }) - 1;
        const key = route.pathKeys[i];
        if (key === undefined) anywhere.push(place);
        else if (key.kind === 'exact') listIn(exact, key.path).push(place);
        else listIn(mapIn(prefixes, key.prefix.length), key.prefix).push(place);
      }
    }
    this.#candidates = candidates;
    this.#anywhere = anywhere;
    this.#exact = exact;
    this.#prefixes = [...prefixes].map(([length, places]) => ({ length, places }));
  }

  find(request: RoutedRequest): FoundRoute | undefined {
    const candidates = this.#candidates;
    if (candidates.length < leastIndexed) {
      for (const candidate of candidates) {
        const found = foundBy(candidate, request);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    return this.#findIndexed(request);
  }

  #findIndexed(request: RoutedRequest): FoundRoute | undefined {
    const lists = this.#listsFor(request.path);
    const next = lists.map(() => 0);
    for (;;) {
      let best = -1;
      let bestPlace = Number.POSITIVE_INFINITY;
      for (let i = 0; i < lists.length; i++) {
        const place = lists[i]?.[next[i] ?? 0];
        if (place === undefined || place >= bestPlace) continue;
        best = i;
        bestPlace = place;
      }
      if (best < 0) return undefined;
      next[best] = (next[best] ?? 0) + 1;
      const candidate = this.#candidates[bestPlace];
      const found = candidate === undefined ? undefined : foundBy(candidate, request);
      if (found !== undefined) return found;
    }
  }

  #listsFor(path: string): (readonly number[])[] {
    const lists: (readonly number[])[] = [];
    if (this.#anywhere.length > 0) lists.push(this.#anywhere);
    const exact = this.#exact.get(path);
    if (exact !== undefined) lists.push(exact);
    for (const { length, places } of this.#prefixes) {
      if (length > path.length) continue;
      const found = places.get(path.slice(0, length));
      if (found !== undefined) lists.push(found);
    }
    return lists;
  }
}

function foundBy({ route, test }: Candidate, request: RoutedRequest): FoundRoute | undefined {
  if (test === undefined) return { route, matched: noPath };
  return test.matches(request) ? { route, matched: test.path } : undefined;
}

function listIn(map: Map<string, number[]>, key: string): number[] {
  const known = map.get(key);
  if (known !== undefined) return known;
  const list: number[] = [];
  map.set(key, list);
  return list;
}

function mapIn(map: Map<number, Map<string, number[]>>, key: number): Map<string, number[]> {
  const known = map.get(key);
  if (known !== undefined) return known;
  const inner = new Map<string, number[]>();
  map.set(key, inner);
  return inner;
}

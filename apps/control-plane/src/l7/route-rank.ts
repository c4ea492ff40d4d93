import type { route } from '@ambit/api';

/** What decides which of two routes of the Gateway API is looked at first. */
export interface RouteRank {
  readonly path: 'exact' | 'prefix' | 'regex';
  /** Of the path's text. */
  readonly pathLength: number;
  readonly hasMethod: boolean;
  readonly headers: number;
  readonly queryParameters: number;
}

/** A route with one match, and its rank. */
export interface RankedRoute {
  readonly rank: RouteRank;
  readonly route: route.HttpRoute;
}

const pathOrder: Readonly<Record<RouteRank['path'], number>> = { exact: 0, prefix: 1, regex: 2 };

/**
 * Negative when `a` comes first: exact paths, longer prefixes, longer expressions, a method, more headers, more query
 * parameters. Equal ranks keep their order, which has to be by age, name and place. Spec: l7.md section 1.5.
 */
export function compareRank(a: RouteRank, b: RouteRank): number {
  return (
    pathOrder[a.path] - pathOrder[b.path] ||
    b.pathLength - a.pathLength ||
    Number(b.hasMethod) - Number(a.hasMethod) ||
    b.headers - a.headers ||
    b.queryParameters - a.queryParameters
  );
}

/** In order of precedence; sorting is stable. */
export function inPrecedence(routes: readonly RankedRoute[]): readonly route.HttpRoute[] {
  return routes.toSorted((a, b) => compareRank(a.rank, b.rank)).map(({ route }) => route);
}

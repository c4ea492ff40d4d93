import { compilePathMatch, type PathMatch, type PathTest } from './path-match.ts';
import type { RoutedRequest } from './routed-request.ts';
import { compileTextMatch, type TextMatch, type TextTest } from './text-match.ts';

/** A condition on a named field. */
export interface FieldMatch {
  /** Headers: lower case. Query parameters: as written. */
  readonly name: string;
  readonly match: TextMatch;
}

/** A condition on a claim of the verified token; any member of a list suffices. */
export interface ClaimMatch {
  readonly path: readonly string[];
  readonly match: TextMatch;
}

/**
 * Conditions on a request, all of which must hold; an empty one always holds. HTTPRoute, GRPCRoute and VirtualService are
 * brought into this form, in order of precedence, by whoever makes the configuration.
 */
export interface RouteMatch {
  readonly path?: PathMatch;
  readonly method?: TextMatch;
  readonly scheme?: TextMatch;
  readonly authority?: TextMatch;
  readonly headers?: readonly FieldMatch[];
  /** Must not hold; an absent header counts as empty text. Istio: withoutHeaders. */
  readonly withoutHeaders?: readonly FieldMatch[];
  readonly queryParameters?: readonly FieldMatch[];
  readonly claims?: readonly ClaimMatch[];
}

/** A compiled RouteMatch. */
export interface RouteTest {
  readonly path: PathTest | undefined;
  matches(request: RoutedRequest): boolean;
}

/** Throws RangeError for a pattern that is no RE2. */
export function compileRouteMatch(match: RouteMatch): RouteTest {
  const path = match.path === undefined ? undefined : compilePathMatch(match.path);
  const tests: ((request: RoutedRequest) => boolean)[] = [];
  if (path !== undefined) tests.push((request) => path.matches(request.path));
  if (match.method !== undefined) tests.push(textOf(match.method, (request) => request.method));
  if (match.scheme !== undefined) tests.push(textOf(match.scheme, (request) => request.scheme));
  if (match.authority !== undefined) tests.push(textOf(match.authority, (request) => request.authority));
  for (const { name, match: wanted } of match.headers ?? []) {
    tests.push(textOf(wanted, (request) => request.header(name)));
  }
  for (const { name, match: unwanted } of match.withoutHeaders ?? []) {
    const test = compileTextMatch(unwanted);
    const isPresence = unwanted.kind === 'present';
    tests.push((request) => {
      const value = request.header(name);
      return isPresence ? value === undefined : !test.matches(value ?? '');
    });
  }
  for (const { name, match: wanted } of match.queryParameters ?? []) {
    tests.push(textOf(wanted, (request) => queryParameter(request.query, name)));
  }
  for (const { path: claim, match: wanted } of match.claims ?? []) {
    const test: TextTest = compileTextMatch(wanted);
    tests.push((request) => request.claim(claim).some((value) => test.matches(value)));
  }
  return {
    path,
    matches(request) {
      for (const test of tests) if (!test(request)) return false;
      return true;
    },
  };
}

function textOf(
  match: TextMatch,
  read: (request: RoutedRequest) => string | undefined,
): (request: RoutedRequest) => boolean {
  const test = compileTextMatch(match);
  return (request) => {
    const text = read(request);
    return text !== undefined && test.matches(text);
  };
}

/**
 * The first value of a parameter, not decoded, as Envoy compares it; undefined if absent, empty without `=`.
 * `query` is empty or begins with its question mark.
 */
export function queryParameter(query: string, name: string): string | undefined {
  let at = 1;
  while (at < query.length) {
    const next = query.indexOf('&', at);
    const end = next < 0 ? query.length : next;
    if (query.startsWith(name, at)) {
      const after = at + name.length;
      if (after === end) return '';
      if (after < end && query.charCodeAt(after) === 0x3d) return query.slice(after + 1, end);
    }
    at = end + 1;
  }
  return undefined;
}

/** Matches of HTTPRoute and GRPCRoute in the form of the contract, with their rank. */
import { route } from '@ambit/api';
import type { GrpcRouteMatch, HttpRouteMatch, RouteFieldMatch } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ProblemList } from './route-problem.ts';
import type { RouteRank } from './route-rank.ts';
import { patternProblem } from './usable-pattern.ts';

export interface RankedMatch {
  readonly rank: RouteRank;
  readonly match: route.HttpMatch;
}

type PathInit = NonNullable<MessageInitShape<typeof route.PathMatchSchema>['kind']>;

/** Undefined for a match that cannot be understood: it must not match more than was meant. */
export function httpMatch(match: HttpRouteMatch, problems: ProblemList): RankedMatch | undefined {
  const { type, value } = match.path ?? { type: 'PathPrefix', value: '/' };
  const kind = pathKind(type, value, problems);
  const headers = fieldMatches(match.headers, 'header', problems);
  const queryParameters = fieldMatches(match.queryParams, 'query parameter', problems);
  if (kind === undefined || headers === undefined || queryParameters === undefined) return undefined;
  return {
    rank: {
      path: kind.case === 'exact' ? 'exact' : kind.case === 'segments' ? 'prefix' : 'regex',
      pathLength: kind.value?.length ?? 0,
      hasMethod: match.method !== undefined,
      headers: headers.length,
      queryParameters: queryParameters.length,
    },
    match: create(route.HttpMatchSchema, {
      path: { kind },
      ...(match.method === undefined ? {} : { method: { kind: { case: 'exact', value: match.method } } }),
      headers,
      queryParameters,
    }),
  };
}

function pathKind(type: string, value: string, problems: ProblemList): PathInit | undefined {
  switch (type) {
    case 'Exact':
      return { case: 'exact', value };
    case 'PathPrefix':
      // `/abc/` and `/abc` are the same prefix.
      return { case: 'segments', value: value.length > 1 && value.endsWith('/') ? value.slice(0, -1) : value };
    case 'RegularExpression':
      return usable(value, problems) ? { case: 'regex', value } : undefined;
    default:
      return unsupported(`path match type ${type} is not known`, problems);
  }
}

/** Of several conditions on one header the first counts. */
function fieldMatches(
  matches: readonly RouteFieldMatch[],
  what: 'header' | 'query parameter',
  problems: ProblemList,
): MessageInitShape<typeof route.FieldMatchSchema>[] | undefined {
  const seen = new Set<string>();
  const found: MessageInitShape<typeof route.FieldMatchSchema>[] = [];
  for (const { type, name: written, value } of matches) {
    const name = what === 'header' ? written.toLowerCase() : written;
    if (seen.has(name)) continue;
    seen.add(name);
    if (type !== 'Exact' && type !== 'RegularExpression') {
      return unsupported(`${what} match type ${type} is not known`, problems);
    }
    if (type === 'RegularExpression' && !usable(value, problems)) return undefined;
    found.push({ name, match: { kind: { case: type === 'Exact' ? 'exact' : 'regex', value } } });
  }
  return found;
}

/** Undefined for a match that cannot be understood. */
export function grpcMatch(match: GrpcRouteMatch, problems: ProblemList): RankedMatch | undefined {
  const path = grpcPath(match.method, problems);
  const headers = fieldMatches(match.headers, 'header', problems);
  if (path === undefined || headers === undefined) return undefined;
  return {
    rank: { ...path.rank, hasMethod: false, headers: headers.length, queryParameters: 0 },
    match: create(route.HttpMatchSchema, { path: { kind: path.kind }, headers }),
  };
}

interface GrpcPath {
  readonly kind: PathInit;
  readonly rank: Pick<RouteRank, 'path' | 'pathLength'>;
}

/** `/<service>/<method>`. A longer service goes before a longer method, so the ranks of one kind go by the service first. */
function grpcPath(method: GrpcRouteMatch['method'], problems: ProblemList): GrpcPath | undefined {
  const service = method?.service ?? '';
  const name = method?.method ?? '';
  if (service === '' && name === '') {
    return { kind: { case: 'segments', value: '/' }, rank: { path: 'prefix', pathLength: 1 } };
  }
  if (method?.type === 'RegularExpression') {
    const value = `/${service === '' ? '[^/]+' : group(service)}/${name === '' ? '[^/]+' : group(name)}`;
    if (!usable(value, problems)) return undefined;
    return { kind: { case: 'regex', value }, rank: { path: 'regex', pathLength: value.length } };
  }
  if (method?.type !== 'Exact') return unsupported(`method match type ${method?.type ?? ''} is not known`, problems);
  if (name === '') {
    const value = `/${service}/`;
    return { kind: { case: 'prefix', value }, rank: { path: 'prefix', pathLength: value.length } };
  }
  if (service === '') {
    const value = `/[^/]+/${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`;
    return { kind: { case: 'regex', value }, rank: { path: 'regex', pathLength: name.length + 1 } };
  }
  const value = `/${service}/${name}`;
  return { kind: { case: 'exact', value }, rank: { path: 'exact', pathLength: value.length } };
}

/** A user's expression as one part of a larger one. */
function group(expression: string): string {
  return `(?:${expression})`;
}

function usable(pattern: string, problems: ProblemList): boolean {
  const problem = patternProblem(pattern);
  if (problem !== undefined) unsupported(problem, problems);
  return problem === undefined;
}

function unsupported(message: string, problems: ProblemList): undefined {
  problems.push({ condition: 'Accepted', reason: 'UnsupportedValue', message });
  return undefined;
}

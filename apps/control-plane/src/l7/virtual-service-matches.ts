import type { route } from '@ambit/api';
import type { HttpMatchRequest, TextCondition } from '@ambit/kube';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { textMatch } from './proto-text.ts';
import { patternProblem } from './usable-pattern.ts';

/** Where traffic is that the routes are for. */
export interface RoutePlace {
  /** `mesh`, or `namespace/name` of a Gateway. */
  readonly gateway: string;
  /** Port on which requests arrive. */
  readonly port: number;
  /** Namespace of the proxy. */
  readonly proxyNamespace: string;
}

/** True when routes of these gateways are for a place; none means `mesh`. A name alone is of the object's namespace. */
export function isForGateway(
  gateways: readonly string[],
  namespace: string,
  place: Pick<RoutePlace, 'gateway'>,
): boolean {
  if (gateways.length === 0) return place.gateway === 'mesh';
  return gateways.some(
    (name) => (name === 'mesh' || name.includes('/') ? name : `${namespace}/${name}`) === place.gateway,
  );
}

/** True when a match can hold at this place at all. Labels of clients are not known to a waypoint. Spec: l7.md section 3.2. */
export function canMatch(
  match: Pick<HttpMatchRequest, 'hasSourceLabels' | 'sourceNamespace' | 'gateways' | 'port'>,
  namespace: string,
  place: RoutePlace,
): boolean {
  if (match.hasSourceLabels) return false;
  if (match.port !== undefined && match.port !== place.port) return false;
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== place.proxyNamespace) return false;
  return match.gateways.length === 0 || isForGateway(match.gateways, namespace, place);
}

/** Why proxies would not take a match; undefined when they would. */
export function matchProblem(match: HttpMatchRequest): string | undefined {
  const fields = [...match.headers, ...match.withoutHeaders, ...match.queryParams].map(([, condition]) => condition);
  for (const condition of [match.uri, match.scheme, match.method, match.authority, ...fields]) {
    // A star alone is not meant as an expression.
    if (condition?.kind !== 'regex' || condition.value === '*') continue;
    const problem = patternProblem(condition.value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const claimKey = /^@request\.auth\.claims(?:\.|(?=\[))(.+)$/;

/** A match in the form of the contract. `needsPath`: something will be put in place of the matched prefix. */
export function virtualServiceMatch(
  match: HttpMatchRequest,
  needsPath: boolean,
): MessageInitShape<typeof route.HttpMatchSchema> {
  const headers = match.headers.filter(([name]) => !claimKey.test(name));
  const claims = match.headers.filter(([name]) => claimKey.test(name));
  const path = pathMatch(match.uri ?? (needsPath ? { kind: 'prefix', value: '/' } : undefined), match.ignoreUriCase);
  return {
    ...(path === undefined ? {} : { path }),
    ...(match.method === undefined ? {} : { method: textMatch(match.method) }),
    ...(match.scheme === undefined ? {} : { scheme: textMatch(match.scheme) }),
    ...(match.authority === undefined ? {} : { authority: textMatch(match.authority) }),
    headers: headers.map(([name, condition]) => ({ name: name.toLowerCase(), match: textMatch(condition) })),
    withoutHeaders: match.withoutHeaders.map(([name, condition]) => ({
      name: name.toLowerCase(),
      match: textMatch(condition),
    })),
    queryParameters: match.queryParams.map(([name, condition]) => ({ name, match: textMatch(condition) })),
    claims: claims.map(([name, condition]) => ({ path: claimPath(name), match: textMatch(condition) })),
  };
}

/** Prefixes are plain text here, not segments. */
function pathMatch(
  condition: TextCondition | undefined,
  ignoreCase: boolean,
): MessageInitShape<typeof route.PathMatchSchema> | undefined {
  if (condition === undefined) return undefined;
  if (condition.kind === 'present') return { kind: { case: 'prefix', value: '/' } };
  return {
    kind: { case: condition.kind, value: condition.value },
    ignoreCase: ignoreCase && condition.kind !== 'regex',
  };
}

/** `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`; in brackets a dot is part of the name. */
function claimPath(key: string): string[] {
  const [, rest = ''] = claimKey.exec(key) ?? [];
  if (!rest.startsWith('[')) return rest.split('.');
  return [...rest.matchAll(/\[([^\]]+)\]/g)].map(([, name = '']) => name);
}

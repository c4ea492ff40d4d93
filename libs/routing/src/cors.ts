import type { RE2JS } from 're2js';

/** Which origins may read answers. */
export type OriginMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly regex: RE2JS }
  /** Stars stand for any text, dots included; a lone star is any origin. Gateway API. */
  | { readonly kind: 'wildcard'; readonly pattern: string };

/** Cross-origin rules of a route. Lists may hold `*`. */
export interface CorsRules {
  readonly allowOrigins: readonly OriginMatch[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSec: number | undefined;
  readonly allowsCredentials: boolean;
  /** VirtualService's default: a preflight of another origin goes to the backend. */
  readonly forwardsUnmatchedPreflights: boolean;
}

/** What the request says. */
export interface CorsRequest {
  readonly method: string;
  readonly origin: string | undefined;
  readonly requestedMethod: string | undefined;
  readonly requestedHeaders: string | undefined;
}

type Headers = readonly (readonly [name: string, value: string])[];

/** `answer`: the proxy answers the preflight itself. `forward`: the backend answers, and gets these headers added. */
export type CorsDecision =
  | { readonly kind: 'answer'; readonly status: 200; readonly headers: Headers }
  | { readonly kind: 'forward'; readonly responseHeaders: Headers };

const untouched: CorsDecision = { kind: 'forward', responseHeaders: [] };

/** Spec: contract l7 1.5 and 3.2; Fetch standard, CORS protocol. */
export function decideCors(rules: CorsRules, request: CorsRequest): CorsDecision {
  const { origin } = request;
  if (origin === undefined) return untouched;
  const isAllowed = rules.allowOrigins.some((match) => originMatches(match, origin));
  if (request.method === 'OPTIONS' && request.requestedMethod !== undefined) {
    if (isAllowed) return { kind: 'answer', status: 200, headers: preflightHeaders(rules, origin, request) };
    return rules.forwardsUnmatchedPreflights ? untouched : { kind: 'answer', status: 200, headers: [] };
  }
  return isAllowed ? { kind: 'forward', responseHeaders: actualHeaders(rules, origin) } : untouched;
}

function preflightHeaders(rules: CorsRules, origin: string, request: CorsRequest): Headers {
  const headers = originHeaders(rules, origin);
  const methods = listed(rules.allowMethods, request.requestedMethod, rules.allowsCredentials);
  if (methods !== undefined) headers.push(['access-control-allow-methods', methods]);
  const names = listed(rules.allowHeaders, request.requestedHeaders, rules.allowsCredentials);
  if (names !== undefined && request.requestedHeaders !== undefined)
    headers.push(['access-control-allow-headers', names]);
  if (rules.maxAgeSec !== undefined) headers.push(['access-control-max-age', String(rules.maxAgeSec)]);
  // Browsers read these in the answer itself only; the Gateway API wants them here too.
  return [...headers, ...exposedHeaders(rules)];
}

function actualHeaders(rules: CorsRules, origin: string): Headers {
  return [...originHeaders(rules, origin), ...exposedHeaders(rules)];
}

function exposedHeaders({ exposeHeaders }: CorsRules): Headers {
  return exposeHeaders.length === 0 ? [] : [['access-control-expose-headers', exposeHeaders.join(', ')]];
}

function originHeaders(rules: CorsRules, origin: string): [string, string][] {
  const headers: [string, string][] = [['access-control-allow-origin', origin]];
  if (rules.allowsCredentials) headers.push(['access-control-allow-credentials', 'true']);
  return headers;
}

/** With credentials a browser takes `*` for a name, so what was asked for is echoed instead. */
function listed(allowed: readonly string[], asked: string | undefined, hasCredentials: boolean): string | undefined {
  if (allowed.length === 0) return undefined;
  if (allowed.includes('*')) return hasCredentials ? asked : '*';
  return allowed.join(', ');
}

function originMatches(match: OriginMatch, origin: string): boolean {
  switch (match.kind) {
    case 'exact':
      return origin === match.value;
    case 'prefix':
      return origin.startsWith(match.value);
    case 'regex':
      return match.regex.matches(origin);
    case 'wildcard':
      return wildcardMatches(match.pattern, origin);
  }
}

function wildcardMatches(pattern: string, text: string): boolean {
  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (pieces.length === 1) return text === pattern;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > text.length - last.length) return false;
    at = found + piece.length;
  }
  return true;
}

/**
 * RequestAuthentication: whose tokens a request carries and whether they are good. Pure but for the time, which is given.
 * No token passes (a policy may refuse it then); a bad one is refused. Spec: contract l7 4.5.
 */
import { type DecodedToken, decodeToken } from './decode-token.ts';
import type { JwtRefusal } from './jwt-refusal.ts';
import { defaultTokenPlaces, type JwtRule, type TokenPlace } from './jwt-rule.ts';
import { TokenClaims } from './token-claims.ts';

/** What authentication may look at. */
export interface TokenBearer {
  readonly method: string;
  header(lowerName: string): string | undefined;
  /** First value, percent-decoded. */
  queryParameter(name: string): string | undefined;
}

/** What to do with the request before anybody else sees it. */
export interface TokenEdits {
  /** Headers and parameters that held a verified token, and headers that only we may set. */
  readonly removedHeaders: readonly string[];
  readonly removedParameters: readonly string[];
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
}

export type RequestAuthentication =
  | { readonly kind: 'passed'; readonly token: TokenClaims | undefined; readonly edits: TokenEdits }
  | { readonly kind: 'refused'; readonly refusal: JwtRefusal };

/** Clocks differ; Istio's tolerance. */
const clockSkewSec = 60;

type RuleOutcome =
  | { readonly kind: 'absent' }
  | { readonly kind: 'valid'; readonly token: DecodedToken; readonly place: TokenPlace }
  | { readonly kind: 'refused'; readonly refusal: JwtRefusal };

const absent: RuleOutcome = { kind: 'absent' };

/** `wallTimeMs`: now. Rules may be empty: everything passes, without a token. */
export function authenticateRequest(
  rules: readonly JwtRule[],
  bearer: TokenBearer,
  wallTimeMs: number,
): RequestAuthentication {
  // What we promise to set must never come from a client, whatever becomes of its token.
  const ownHeaders = rules.flatMap((rule) => [
    ...(rule.payloadHeader === undefined ? [] : [rule.payloadHeader]),
    ...rule.claimHeaders.map(({ header }) => header),
  ]);
  const untouched: TokenEdits = { removedHeaders: ownHeaders, removedParameters: [], setHeaders: [] };
  if (rules.length === 0 || isPreflight(bearer)) return { kind: 'passed', token: undefined, edits: untouched };

  let refusal: JwtRefusal | undefined;
  for (const rule of rules) {
    const outcome = ruleOutcome(rule, bearer, wallTimeMs);
    if (outcome.kind === 'valid') return accepted(rule, outcome.token, outcome.place, ownHeaders);
    // The rule of the token's own issuer knows best what is wrong with it.
    if (outcome.kind === 'refused' && (refusal === undefined || refusal === 'issuer')) refusal = outcome.refusal;
  }
  return refusal === undefined ? { kind: 'passed', token: undefined, edits: untouched } : { kind: 'refused', refusal };
}

function ruleOutcome(rule: JwtRule, bearer: TokenBearer, wallTimeMs: number): RuleOutcome {
  let refused: RuleOutcome | undefined;
  for (const place of rule.places.length === 0 ? defaultTokenPlaces : rule.places) {
    const text = tokenAt(place, bearer);
    if (text === undefined) continue;
    const token = rule.keys.verified(text) ?? decodeToken(text);
    const refusal = typeof token === 'string' ? token : refusalOf(rule, token, wallTimeMs);
    if (typeof token !== 'string' && refusal === undefined) return { kind: 'valid', token, place };
    if (refusal !== undefined) refused ??= { kind: 'refused', refusal };
  }
  return refused ?? absent;
}

function refusalOf(rule: JwtRule, token: DecodedToken, wallTimeMs: number): JwtRefusal | undefined {
  const { claims } = token;
  if (claims['iss'] !== rule.issuer) return 'issuer';
  const nowSec = Math.floor(wallTimeMs / 1000);
  const { nbf, exp } = claims;
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf - clockSkewSec <= nowSec)) return 'not-yet-valid';
  if (exp !== undefined && !(typeof exp === 'number' && nowSec < exp + clockSkewSec)) return 'expired';
  if (rule.audiences.length > 0) {
    const { audiences } = new TokenClaims(claims, []);
    const allowed = rule.audiences.map(bareAudience);
    if (!audiences.some((audience) => allowed.includes(bareAudience(audience)))) return 'audience';
  }
  return rule.keys.refusalOf(token);
}

/** Audiences are compared without scheme and without one slash at the end. Envoy: jwt_authn, audiences of a provider. */
function bareAudience(audience: string): string {
  const bare = audience.replace(/^https?:\/\//, '');
  return bare.endsWith('/') ? bare.slice(0, -1) : bare;
}

function accepted(
  rule: JwtRule,
  token: DecodedToken,
  place: TokenPlace,
  ownHeaders: readonly string[],
): RequestAuthentication {
  const claims = new TokenClaims(token.claims, rule.spaceDelimitedClaims);
  const setHeaders: [string, string][] = [];
  if (rule.payloadHeader !== undefined) setHeaders.push([rule.payloadHeader, token.encodedPayload]);
  for (const { header, claim } of rule.claimHeaders) {
    const text = claims.headerText(claim);
    // A claim is the issuer's text; what could split a message stays out.
    if (text !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(text)) setHeaders.push([header, text]);
  }
  const removes = !rule.forwardsToken;
  return {
    kind: 'passed',
    token: claims,
    edits: {
      removedHeaders: removes && place.kind === 'header' ? [...ownHeaders, place.name] : ownHeaders,
      removedParameters: removes && place.kind === 'parameter' ? [place.name] : [],
      setHeaders,
    },
  };
}

function tokenAt(place: TokenPlace, bearer: TokenBearer): string | undefined {
  switch (place.kind) {
    case 'header': {
      const value = bearer.header(place.name);
      if (value === undefined || !value.startsWith(place.prefix)) return undefined;
      return value.slice(place.prefix.length).trim();
    }
    case 'parameter':
      return bearer.queryParameter(place.name);
    case 'cookie':
      return cookie(bearer.header('cookie'), place.name);
  }
}

function cookie(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const text = part.trim();
    if (text.startsWith(`${name}=`)) return text.slice(name.length + 1);
  }
  return undefined;
}

/** CORS asks without credentials; the answer depends on none. */
function isPreflight(bearer: TokenBearer): boolean {
  return (
    bearer.method === 'OPTIONS' &&
    bearer.header('origin') !== undefined &&
    bearer.header('access-control-request-method') !== undefined
  );
}

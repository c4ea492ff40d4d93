import type { JwtRuleSpec } from '@ambit/kube';

/** Where the keys of an issuer come from. */
export interface KeyPlace {
  /** `jwks <url>`, or `issuer <url>` when the keys' address has to be asked for first. */
  readonly key: string;
  readonly kind: 'jwks' | 'issuer';
  readonly url: string;
  /** Milliseconds. */
  readonly timeoutMs: number;
}

/** Keys that were fetched. */
export interface KeySource {
  /** Of its KeyPlace. */
  readonly key: string;
  /** A JWKS. */
  readonly jwks: string;
}

/** Undefined for a rule that brings its keys, or whose issuer is no address. */
export function keySourceOf(
  rule: Pick<JwtRuleSpec, 'issuer' | 'jwks' | 'jwksUri' | 'timeoutMs'>,
): KeyPlace | undefined {
  if (rule.jwks !== undefined && rule.jwks !== '') return undefined;
  const timeoutMs = rule.timeoutMs ?? 5_000;
  if (rule.jwksUri !== undefined) return { key: `jwks ${rule.jwksUri}`, kind: 'jwks', url: rule.jwksUri, timeoutMs };
  if (!/^https?:\/\//.test(rule.issuer)) return undefined;
  return { key: `issuer ${rule.issuer}`, kind: 'issuer', url: rule.issuer, timeoutMs };
}

import type { KeySet } from './key-set.ts';

/** Where a token may stand. */
export type TokenPlace =
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

/** One `jwtRules` entry of a RequestAuthentication, with its keys at hand. */
export interface JwtRule {
  readonly issuer: string;
  /** Empty: any audience. */
  readonly audiences: readonly string[];
  /** Empty: `Authorization: Bearer` and the query parameter `access_token`. */
  readonly places: readonly TokenPlace[];
  readonly keys: KeySet;
  readonly forwardsToken: boolean;
  /** Lower-case header that gets the payload, base64url. */
  readonly payloadHeader: string | undefined;
  readonly claimHeaders: readonly { readonly header: string; readonly claim: readonly string[] }[];
  readonly spaceDelimitedClaims: readonly string[];
}

export const defaultTokenPlaces: readonly TokenPlace[] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
  { kind: 'parameter', name: 'access_token' },
];

import { AmbitError, type Clock, WatchedFile, systemClock } from '@ambit/runtime';
import { type JWTVerifyGetKey, errors, jwtVerify } from 'jose';
import { parseJwks, tokenAlgorithms } from './jwks.ts';
import { type ServiceAccountClaims, readServiceAccountClaims } from './token-claims.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** Options of {@link TokenVerifier}. */
export interface TokenVerifierOptions {
  /** JWKS file with public keys; read again whenever it differs. A file that cannot be used verifies nothing. */
  readonly jwksFile: string;
  /** One of these must be in `aud`. Istio: TOKEN_AUDIENCES. */
  readonly audiences: readonly string[];
  /** Required `iss`; any if undefined. */
  readonly issuer?: string | undefined;
  readonly clock?: Clock;
}

/** What a token says, or why it says nothing. The token itself is never part of a reason. */
export type TokenVerdict =
  | ({ readonly kind: 'verified' } & ServiceAccountClaims)
  | { readonly kind: 'refused'; readonly reason: string };

/** The longest token worth looking at. */
const MAX_TOKEN_LENGTH = 16 * 1024;
const CLOCK_TOLERANCE_SEC = 10;

/**
 * Verifies service account tokens offline, for servers without an API server to ask: signature by a key of a JWKS file,
 * asymmetric algorithms only, audience, expiry, subject and bound pod.
 */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #keys: WatchedFile<JWTVerifyGetKey>;
  readonly #verified = new VerifiedTokens();

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#keys = new WatchedFile(options.jwksFile, parseJwks);
  }

  /** Judges the value of an `authorization` header. Never rejects. */
  async verify(header: string | undefined): Promise<TokenVerdict> {
    if (header === undefined) return refused('no bearer token');
    if (!header.startsWith('Bearer ') || header.length > MAX_TOKEN_LENGTH) return refused('not a bearer token');
    try {
      return await this.#verifyToken(header.slice('Bearer '.length));
    } catch (error) {
      if (error instanceof errors.JOSEError) return refused(`token: ${error.message}`);
      return refused(error instanceof AmbitError ? error.message : 'the key set cannot be used');
    }
  }

  async #verifyToken(token: string): Promise<TokenVerdict> {
    const { audiences, issuer, clock = systemClock } = this.#options;
    const keys = this.#keys.current();
    this.#verified.useKeys(keys);
    const wallTimeMs = clock.wallTimeMs();
    const known = this.#verified.get(token, wallTimeMs);
    if (known !== undefined) return { kind: 'verified', ...known };
    const { payload } = await jwtVerify(token, keys, {
      algorithms: [...tokenAlgorithms],
      audience: [...audiences],
      requiredClaims: ['exp', 'sub', 'aud'],
      clockTolerance: CLOCK_TOLERANCE_SEC,
      currentDate: new Date(wallTimeMs),
      ...(issuer === undefined ? {} : { issuer }),
    });
    const claims = readServiceAccountClaims(payload);
    if (typeof claims === 'string') return refused(claims);
    this.#verified.add(token, claims, (payload.exp ?? 0) * 1000, keys);
    return { kind: 'verified', ...claims };
  }
}

function refused(reason: string): TokenVerdict {
  return { kind: 'refused', reason };
}

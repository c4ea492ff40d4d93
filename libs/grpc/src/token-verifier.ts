import { AmbitError, type Clock, WatchedFile, systemClock } from '@ambit/runtime';
import { type JWTVerifyGetKey, errors, jwtVerify } from 'jose';
import { parseJwks, tokenAlgorithms } from './jwks.ts';
import { type ServiceAccountClaims, readServiceAccountClaims } from './token-claims.ts';

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

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#keys = new WatchedFile(options.jwksFile, parseJwks);
  }

  /** Judges the value of an `authorization` header. Never rejects. */
  async verify(header: string | undefined): Promise<TokenVerdict> {
    if (header === undefined) return refused('no bearer token');
    if (!header.startsWith('Bearer ') || header.length > MAX_TOKEN_LENGTH) return refused('not a bearer token');
    const { audiences, issuer, clock = systemClock } = this.#options;
    try {
      const { payload } = await jwtVerify(header.slice('Bearer '.length), this.#keys.current(), {
        algorithms: [...tokenAlgorithms],
        audience: [...audiences],
        requiredClaims: ['exp', 'sub', 'aud'],
        clockTolerance: CLOCK_TOLERANCE_SEC,
        currentDate: new Date(clock.wallTimeMs()),
        ...(issuer === undefined ? {} : { issuer }),
      });
      const claims = readServiceAccountClaims(payload);
      return typeof claims === 'string' ? refused(claims) : { kind: 'verified', ...claims };
    } catch (error) {
      if (error instanceof errors.JOSEError) return refused(`token: ${error.message}`);
      return refused(error instanceof AmbitError ? error.message : 'the key set cannot be used');
    }
  }
}

function refused(reason: string): TokenVerdict {
  return { kind: 'refused', reason };
}

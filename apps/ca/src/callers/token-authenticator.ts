import type { CallContext } from '@ambit/grpc';
import { isSpiffeId } from '@ambit/identity';
import type { Clock } from '@ambit/runtime';
import { type JWTPayload, type JWTVerifyGetKey, errors, jwtVerify } from 'jose';
import { WatchedFile } from '../watched-file.ts';
import type { Authentication, CallerAuthenticator } from './caller.ts';
import { parseJwks, tokenAlgorithms } from './jwks.ts';
import { readServiceAccountClaims } from './token-claims.ts';

/** Options of {@link TokenAuthenticator}. */
export interface TokenAuthenticatorOptions {
  /** JWKS file; read again when it changes. */
  readonly jwksFile: string;
  /** One of these must be in `aud`. Istio: TOKEN_AUDIENCES. */
  readonly audiences: readonly string[];
  /** Required `iss`; any if undefined. */
  readonly issuer: string | undefined;
  readonly trustDomain: string;
  /** The cluster whose tokens these keys verify; a call that names another one is refused. */
  readonly clusterId: string;
  readonly clock: Clock;
}

/** The longest token worth looking at. */
const MAX_TOKEN_LENGTH = 16 * 1024;
const CLOCK_TOLERANCE_SEC = 10;

/**
 * Verifies bearer tokens offline: signature by a key of the set, asymmetric algorithms only, audience, expiry, and the
 * service account claims. Stands in for TokenReview where there is no API server.
 */
export class TokenAuthenticator implements CallerAuthenticator {
  readonly #options: TokenAuthenticatorOptions;
  readonly #keys: WatchedFile<JWTVerifyGetKey>;

  constructor(options: TokenAuthenticatorOptions) {
    this.#options = options;
    this.#keys = new WatchedFile(options.jwksFile, parseJwks);
  }

  async authenticate(call: CallContext): Promise<Authentication> {
    const header = call.header('authorization');
    if (header === undefined) return { kind: 'no-credentials' };
    if (!header.startsWith('Bearer ') || header.length > MAX_TOKEN_LENGTH) return refused('no bearer token');
    const clusterId = call.header('clusterid');
    if (clusterId !== undefined && clusterId !== this.#options.clusterId)
      return refused('a token of an unknown cluster');
    const payload = await this.#verify(header.slice('Bearer '.length));
    if (typeof payload === 'string') return refused(payload);
    const claims = readServiceAccountClaims(payload);
    if (typeof claims === 'string') return refused(claims);
    const identity = `spiffe://${this.#options.trustDomain}/ns/${claims.namespace}/sa/${claims.serviceAccount}`;
    if (!isSpiffeId(identity)) return refused('the service account cannot be written as a SPIFFE id');
    return { kind: 'caller', caller: { identity, pod: claims.pod, method: 'token' } };
  }

  /** The claims, or why the token is refused; the token itself never gets into a message. */
  async #verify(token: string): Promise<JWTPayload | string> {
    const { audiences, issuer, clock } = this.#options;
    try {
      const { payload } = await jwtVerify(token, this.#keys.current(), {
        algorithms: [...tokenAlgorithms],
        audience: [...audiences],
        requiredClaims: ['exp', 'sub', 'aud'],
        clockTolerance: CLOCK_TOLERANCE_SEC,
        currentDate: new Date(clock.wallTimeMs()),
        ...(issuer === undefined ? {} : { issuer }),
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return `token: ${error.message}`;
      throw error;
    }
  }
}

function refused(reason: string): Authentication {
  return { kind: 'refused', reason };
}

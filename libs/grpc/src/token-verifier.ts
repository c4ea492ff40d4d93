/**
 * Verifies service account tokens offline, for servers without an API server to ask: signature by a key of a JWKS file,
 * asymmetric algorithms only, audience, expiry, subject. apps/ca has an equal verifier that also reads the bound pod
 * (callers/token-authenticator.ts); both are meant to become this one.
 */
import { readFileSync, statSync } from 'node:fs';
import { type Clock, systemClock } from '@ambit/runtime';
import { type JWK, type JWTVerifyGetKey, createLocalJWKSet, errors, jwtVerify } from 'jose';

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
  | { readonly kind: 'verified'; readonly namespace: string; readonly serviceAccount: string }
  | { readonly kind: 'refused'; readonly reason: string };

const ALGORITHMS = ['ES256', 'ES384', 'RS256', 'EdDSA', 'Ed25519'];
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_TOKEN_LENGTH = 16 * 1024;
const CLOCK_TOLERANCE_SEC = 10;

export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  #stamp = '';
  #keys: JWTVerifyGetKey | undefined;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  /** Judges the value of an `authorization` header. Never rejects. */
  async verify(header: string | undefined): Promise<TokenVerdict> {
    if (header === undefined) return refused('no bearer token');
    if (!header.startsWith('Bearer ') || header.length > MAX_TOKEN_LENGTH) return refused('not a bearer token');
    try {
      const { audiences, issuer, clock = systemClock } = this.#options;
      const { payload } = await jwtVerify(header.slice('Bearer '.length), this.#currentKeys(), {
        algorithms: ALGORITHMS,
        audience: [...audiences],
        requiredClaims: ['exp', 'sub', 'aud'],
        clockTolerance: CLOCK_TOLERANCE_SEC,
        currentDate: new Date(clock.wallTimeMs()),
        ...(issuer === undefined ? {} : { issuer }),
      });
      const [, namespace, serviceAccount] = /^system:serviceaccount:([^:/]+):([^:/]+)$/.exec(payload.sub ?? '') ?? [];
      if (namespace === undefined || serviceAccount === undefined)
        return refused('the subject is not a service account');
      return { kind: 'verified', namespace, serviceAccount };
    } catch (error) {
      return refused(error instanceof errors.JOSEError ? `token: ${error.message}` : 'the key set cannot be used');
    }
  }

  #currentKeys(): JWTVerifyGetKey {
    const { jwksFile } = this.#options;
    const stats = statSync(jwksFile, { bigint: true });
    const stamp = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
    if (this.#keys !== undefined && stamp === this.#stamp) return this.#keys;
    this.#keys = undefined;
    if (stats.size > MAX_FILE_BYTES) throw new Error('the key set is too large');
    this.#keys = parseKeys(readFileSync(jwksFile, 'utf8'));
    this.#stamp = stamp;
    return this.#keys;
  }
}

/** A private or symmetric key in the set means that whoever wrote it mixed files up. */
function parseKeys(text: string): JWTVerifyGetKey {
  const document: unknown = JSON.parse(text);
  if (!isRecord(document) || !Array.isArray(document['keys'])) throw new Error('not a JSON Web Key Set');
  const keys = document['keys'].map((key: unknown): JWK => {
    if (!isRecord(key) || PRIVATE_MEMBERS.some((member) => member in key)) throw new Error('not a public key');
    const type = key['kty'];
    if (type !== 'EC' && type !== 'RSA' && type !== 'OKP') throw new Error('a key of unknown type');
    return { ...key, kty: type };
  });
  return createLocalJWKSet({ keys });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(reason: string): TokenVerdict {
  return { kind: 'refused', reason };
}

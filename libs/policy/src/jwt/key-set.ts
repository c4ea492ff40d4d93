import { createPublicKey, createSecretKey, type KeyObject, type webcrypto } from 'node:crypto';

import { type DecodedToken, isRecord } from './decode-token.ts';
import type { JwtRefusal } from './jwt-refusal.ts';
import { isFitFor, isKnownAlgorithm, isSignedBy } from './signature-algorithm.ts';

interface VerificationKey {
  readonly id: string | undefined;
  /** The only algorithm the key may be used with, if the set names one. */
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

/** Keys of one set; more are a mistake, and each may cost a verification. */
const maxKeys = 100;

/**
 * Tokens whose signature is known to be good; a client sends the same one with each request. Verifying it costs 100 µs and
 * more, and taking it apart as much as the rest of a request's rules.
 */
const maxRemembered = 512;
const maxRememberedChars = 4096;

/**
 * Public keys of an issuer (RFC 7517). Keys of unknown kinds are left out, as sets of real issuers hold some; a set without one
 * usable key verifies nothing, so that a failed fetch closes instead of opening.
 */
export class KeySet {
  /** Verifies no token: what is used while keys cannot be had. */
  static readonly unavailable: KeySet = new KeySet([], true);
  readonly #keys: readonly VerificationKey[];
  readonly #isUnavailable: boolean;
  /** Good tokens by their text, the oldest first. Never bad ones: they are whoever's to make up. */
  readonly #remembered = new Map<string, DecodedToken>();

  private constructor(keys: readonly VerificationKey[], isUnavailable: boolean) {
    this.#keys = keys;
    this.#isUnavailable = isUnavailable;
  }

  /** Reads a JWKS. Throws RangeError, with what is wrong, if it is no set or has no usable key. */
  static parse(text: string): KeySet {
    let set: unknown;
    try {
      set = JSON.parse(text);
    } catch {
      throw new RangeError('the key set is not JSON');
    }
    const list = isRecord(set) ? set['keys'] : undefined;
    if (!Array.isArray(list)) throw new RangeError('the key set has no list "keys"');
    if (list.length > maxKeys) throw new RangeError(`the key set has more than ${maxKeys} keys`);
    const keys = list.flatMap((entry: unknown) => verificationKey(entry) ?? []);
    if (keys.length === 0) throw new RangeError('the key set has no usable key for signatures');
    return new KeySet(keys, false);
  }

  /** The token of that text, if one of the keys is known to have signed it. */
  verified(text: string): DecodedToken | undefined {
    return this.#remembered.get(text);
  }

  /** Undefined if one of the keys made the signature. With a key id only keys of that id are tried. */
  refusalOf(token: DecodedToken): JwtRefusal | undefined {
    const { algorithm, keyId, text, signedText, signature } = token;
    if (!isKnownAlgorithm(algorithm)) return 'alg-unsupported';
    if (this.#isUnavailable) return 'keys-unavailable';
    if (this.#remembered.get(text) === token) return undefined;
    let hasCandidate = false;
    for (const candidate of this.#keys) {
      if (keyId !== undefined && candidate.id !== undefined && candidate.id !== keyId) continue;
      if (candidate.algorithm !== undefined && candidate.algorithm !== algorithm) continue;
      if (!isFitFor(algorithm, candidate.key)) continue;
      hasCandidate = true;
      if (!isSignedBy(algorithm, candidate.key, signedText, signature)) continue;
      this.#remember(token);
      return undefined;
    }
    return hasCandidate ? 'signature' : 'no-key';
  }

  #remember(token: DecodedToken): void {
    if (token.text.length > maxRememberedChars) return;
    const [oldest] = this.#remembered.size < maxRemembered ? [] : this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
    this.#remembered.set(token.text, token);
  }
}

function verificationKey(entry: unknown): VerificationKey | undefined {
  if (!isRecord(entry)) return undefined;
  const { kty, use, kid, alg, k } = entry;
  if (use !== undefined && use !== 'sig') return undefined;
  const id = typeof kid === 'string' ? kid : undefined;
  const algorithm = typeof alg === 'string' ? alg : undefined;
  try {
    if (kty === 'oct') {
      return typeof k === 'string' ? { id, algorithm, key: createSecretKey(k, 'base64url') } : undefined;
    }
    return { id, algorithm, key: createPublicKey({ format: 'jwk', key: publicPart(entry) }) };
  } catch {
    return undefined;
  }
}

/** Only the public numbers: a private key published by mistake is not taken in. */
function publicPart(entry: Readonly<Record<string, unknown>>): webcrypto.JsonWebKey {
  const part: webcrypto.JsonWebKey = {};
  for (const name of ['kty', 'n', 'e', 'crv', 'x', 'y'] as const) {
    const value = entry[name];
    if (typeof value === 'string') part[name] = value;
  }
  return part;
}

import { createHash } from 'node:crypto';
import type { ServiceAccountClaims } from './token-claims.ts';

/** Enough for a node proxy and a few gateways on each of several hundred nodes. */
const MAX_ENTRIES = 2048;

interface Entry {
  readonly claims: ServiceAccountClaims;
  readonly endsAtMs: number;
}

/**
 * Tokens that were verified with the keys in force. A node proxy sends the same token with each of its requests, and a
 * signature does not change, so it need not be checked each time. Tokens are kept as digests; the oldest goes first.
 */
export class VerifiedTokens {
  readonly #entries = new Map<string, Entry>();
  #keys: unknown;

  /** Forgets everything if `keys` is another object than before. */
  useKeys(keys: unknown): void {
    if (keys === this.#keys) return;
    this.#keys = keys;
    this.#entries.clear();
  }

  /** The claims of a token verified before and not expired at `wallTimeMs`. */
  get(token: string, wallTimeMs: number): ServiceAccountClaims | undefined {
    const digest = digestOf(token);
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    if (wallTimeMs < entry.endsAtMs) return entry.claims;
    this.#entries.delete(digest);
    return undefined;
  }

  /** Remembers a token until `endsAtMs`; only while `keys`, with which it was verified, are still the ones in force. */
  add(token: string, claims: ServiceAccountClaims, endsAtMs: number, keys: unknown): void {
    if (keys !== this.#keys) return;
    if (this.#entries.size >= MAX_ENTRIES) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(digestOf(token), { claims, endsAtMs });
  }
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

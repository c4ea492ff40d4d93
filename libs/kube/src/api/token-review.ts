/**
 * Asks the API server who a bearer token belongs to. Only the API server knows whether the pod a token is bound to still
 * exists, so accepted tokens are remembered for seconds, refused ones for at most one, and never longer than they live.
 * Tokens are kept as digests only. Spec: control-plane contract 6.2.
 */
import { createHash } from 'node:crypto';
import { type Clock, systemClock, toAmbitError } from '@ambit/runtime';
import { claimedExpiryMs, readTokenReview, type ReviewedToken } from './reviewed-token.ts';

/** The part of `KubeClient` that is used. */
export interface TokenReviewClient {
  post(path: string, body: unknown): Promise<unknown>;
}

/** Options of {@link TokenReviewer}. */
export interface TokenReviewerOptions {
  readonly client: TokenReviewClient;
  /** One of these must be in the answer. Istio: TOKEN_AUDIENCES. */
  readonly audiences: readonly string[];
  /** How long an accepted token is not reviewed again; default 10 s, 0 reviews each time. */
  readonly rememberMs?: number;
  readonly clock?: Clock;
}

/** Who a token belongs to, or why it is refused. The token itself is never part of a reason. */
export type TokenReviewVerdict =
  | ({ readonly kind: 'verified' } & ReviewedToken)
  | { readonly kind: 'refused'; readonly reason: string };

/** Counts since the start. */
export interface TokenReviewCounts {
  /** Requests sent to the API server. */
  readonly reviews: number;
  /** Requests that the API server did not answer. */
  readonly failures: number;
  /** Verdicts given from memory or together with a review under way. */
  readonly remembered: number;
}

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
const DEFAULT_REMEMBER_MS = 10_000;
const REMEMBER_REFUSED_MS = 1_000;
/** The longest token worth looking at. */
const MAX_TOKEN_LENGTH = 16 * 1024;
const MAX_REMEMBERED = 4_096;
/** Reviews under way at once. More would only wait inside the API server. */
const MAX_REVIEWS = 64;
/** Callers that may wait for one of those: a few thousand node proxies that come back together. */
const MAX_WAITING = 8_192;

interface Remembered {
  readonly verdict: TokenReviewVerdict;
  readonly endsAtMs: number;
}

/** Reviews tokens; safe to share among all calls of a process. */
export class TokenReviewer {
  readonly #options: TokenReviewerOptions;
  readonly #clock: Clock;
  readonly #known = new Map<string, Remembered>();
  readonly #underWay = new Map<string, Promise<TokenReviewVerdict>>();
  readonly #waiting: (() => void)[] = [];
  #active = 0;
  #counts = { reviews: 0, failures: 0, remembered: 0 };

  constructor(options: TokenReviewerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get counts(): TokenReviewCounts {
    return { ...this.#counts };
  }

  /** Judges the value of an `authorization` header. Never rejects: an API server that cannot be asked refuses. */
  async verify(header: string | undefined): Promise<TokenReviewVerdict> {
    if (header === undefined) return refused('no bearer token');
    if (!header.startsWith('Bearer ') || header.length > MAX_TOKEN_LENGTH) return refused('not a bearer token');
    const token = header.slice('Bearer '.length);
    const expiryMs = claimedExpiryMs(token);
    // Sparing the API server what cannot be a live service account token; what remains is still its decision.
    if (expiryMs === undefined) return refused('not a service account token with an expiry');
    if (expiryMs <= this.#clock.wallTimeMs()) return refused('the token has expired');
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#remembered(digest) ?? this.#underWay.get(digest);
    if (known !== undefined) {
      this.#counts.remembered += 1;
      return known;
    }
    const review = this.#review(token, digest, expiryMs).finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, review);
    return review;
  }

  #remembered(digest: string): TokenReviewVerdict | undefined {
    const entry = this.#known.get(digest);
    if (entry === undefined) return undefined;
    if (this.#clock.wallTimeMs() < entry.endsAtMs) return entry.verdict;
    this.#known.delete(digest);
    return undefined;
  }

  async #review(token: string, digest: string, expiryMs: number): Promise<TokenReviewVerdict> {
    if (!(await this.#turn())) return refused('too many tokens wait for the API server; try again');
    try {
      const { client, audiences, rememberMs = DEFAULT_REMEMBER_MS } = this.#options;
      this.#counts.reviews += 1;
      const review = await client.post(PATH, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [...audiences] },
      });
      const owner = readTokenReview(review, audiences);
      const verdict = typeof owner === 'string' ? refused(owner) : { kind: 'verified' as const, ...owner };
      this.#remember(digest, verdict, verdict.kind === 'verified' ? rememberMs : REMEMBER_REFUSED_MS, expiryMs);
      return verdict;
    } catch (cause) {
      this.#counts.failures += 1;
      return refused(`the API server did not review the token: ${withoutToken(toAmbitError(cause).message, token)}`);
    } finally {
      this.#active -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Waits for one of the places; false when too many wait already. */
  async #turn(): Promise<boolean> {
    while (this.#active >= MAX_REVIEWS) {
      if (this.#waiting.length >= MAX_WAITING) return false;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#active += 1;
    return true;
  }

  #remember(digest: string, verdict: TokenReviewVerdict, forMs: number, expiryMs: number): void {
    if (this.#known.size >= MAX_REMEMBERED) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(digest, { verdict, endsAtMs: Math.min(this.#clock.wallTimeMs() + forMs, expiryMs) });
  }
}

function withoutToken(message: string, token: string): string {
  return message.replaceAll(token, '<token>').slice(0, 500);
}

function refused(reason: string): TokenReviewVerdict {
  return { kind: 'refused', reason };
}

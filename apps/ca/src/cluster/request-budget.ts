import type { Clock } from '@ambit/runtime';

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Requests that one party may cause, so that a node that asks for what it has no right to cannot spend what the other
 * nodes need. Parties are forgotten once their budget is full again.
 */
export class RequestBudget {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(burst: number, perSecond: number, clock: Clock) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Takes one request from the budget of `party`; false if nothing is left. */
  take(party: string): boolean {
    const nowMs = this.#clock.nowMs();
    const bucket = this.#buckets.get(party) ?? { tokens: this.#burst, atMs: nowMs };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.#perSecond);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    this.#buckets.set(party, bucket);
    if (this.#buckets.size > MANY_PARTIES) this.#forgetFull(nowMs);
    return true;
  }

  #forgetFull(nowMs: number): void {
    for (const [party, { tokens, atMs }] of this.#buckets) {
      if (tokens + ((nowMs - atMs) / 1000) * this.#perSecond >= this.#burst) this.#buckets.delete(party);
    }
  }
}

const MANY_PARTIES = 1_000;

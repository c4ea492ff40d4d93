/** Exponential back-off with jitter. Randomness is a parameter so that tests see exact delays. */

export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Growth per attempt; default 2. */
  readonly factor?: number;
  /** Fraction of the delay that is randomised in both directions, 0 to 1; default 0. */
  readonly jitter?: number;
  /** Returns a number in [0, 1). */
  readonly random?: () => number;
}

export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, jitter: 0, random: Math.random, ...options };
  }

  /** The delay before the next attempt, in milliseconds; grows with each call up to the maximum. */
  nextMs(): number {
    const { initialMs, maxMs, factor, jitter, random } = this.#options;
    const plainMs = Math.min(maxMs, initialMs * factor ** this.#attempts);
    if (plainMs < maxMs) this.#attempts += 1;
    return Math.min(maxMs, plainMs * (1 + jitter * (2 * random() - 1)));
  }

  /** The next delay starts over: call it after a success. */
  reset(): void {
    this.#attempts = 0;
  }
}

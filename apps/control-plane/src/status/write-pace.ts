import type { Clock } from '@ambit/runtime';

/** Istio's leader and client-go hold back likewise; the API server of a full cluster has other clients. */
const WRITES_A_SECOND = 50;
/** So many go at once after a rest: what one command of a user changes is told without delay. */
const BURST = 100;
const INTERVAL_MS = 1_000 / WRITES_A_SECOND;

/** When the next write may be, by the generic cell rate algorithm. A new leader may find thousands of objects to write. */
export class WritePace {
  readonly #clock: Clock;
  /** When the next write would be due if they came evenly, on the clock. */
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is the caller's turn, in the order of calls; at once when `signal` is or gets aborted. */
  async turn(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const turnMs = Math.max(this.#dueMs, nowMs - (BURST - 1) * INTERVAL_MS);
    this.#dueMs = turnMs + INTERVAL_MS;
    if (turnMs <= nowMs || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#clock.after(turnMs - nowMs, resolve);
    const end = (): void => resolve();
    signal.addEventListener('abort', end, { once: true });
    await promise;
    signal.removeEventListener('abort', end);
  }
}

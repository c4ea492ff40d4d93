/**
 * Decides when a round of pushes to all streams begins: at once after a quiet time, and under constant change so that
 * rounds take at most about half of the thread. What changes while a round waits goes out with it, once.
 */
import type { Clock } from '@ambit/runtime';

/** Rounds begin at least this far apart, milliseconds. */
const MIN_INTERVAL_MS = 5;
/** However long rounds take, the thread has at least this much between two of them to do the rest, milliseconds. */
const MAX_REST_MS = 40;

export class PushPacer implements Disposable {
  readonly #clock: Clock;
  readonly #push: () => void;
  readonly #onRound: (waitedMs: number, tookMs: number) => void;
  #timer: Disposable | undefined;
  #isDue = false;
  #isClosed = false;
  #requestedAtMs: number | undefined;
  #nextAtMs = 0;

  constructor(clock: Clock, push: () => void, onRound: (waitedMs: number, tookMs: number) => void) {
    this.#clock = clock;
    this.#push = push;
    this.#onRound = onRound;
  }

  /** Something is to be pushed. The round is never inside this call. */
  request(): void {
    this.#requestedAtMs ??= this.#clock.nowMs();
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    const waitMs = this.#nextAtMs - this.#clock.nowMs();
    if (waitMs <= 0) setImmediate(() => this.#round());
    else this.#timer = this.#clock.after(waitMs, () => this.#round());
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #round(): void {
    if (this.#isClosed) return;
    const startMs = this.#clock.nowMs();
    const waitedMs = startMs - (this.#requestedAtMs ?? startMs);
    this.#requestedAtMs = undefined;
    this.#push();
    // Two turns later the sockets have taken what was written, which is the greater part of the work.
    setImmediate(() => setImmediate(() => this.#finish(startMs, waitedMs)));
  }

  #finish(startMs: number, waitedMs: number): void {
    const tookMs = this.#clock.nowMs() - startMs;
    this.#nextAtMs = startMs + Math.max(MIN_INTERVAL_MS, tookMs + Math.min(tookMs, MAX_REST_MS));
    this.#isDue = false;
    this.#onRound(waitedMs, tookMs);
    if (this.#requestedAtMs !== undefined) this.request();
  }
}

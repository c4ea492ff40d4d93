/**
 * Decides when a round of pushes to all streams begins: at once after a quiet time. Under constant change rounds take half of
 * the thread as long as each stream is reached soon, and more of it when there are so many streams that it would not be.
 * A round goes from stream to stream in slices, with time for everything else between them, and each stream is told what is so
 * when its turn comes: a change waits for one round at most.
 */
import type { Clock } from '@ambit/runtime';

/** Rounds begin at least this far apart, milliseconds. */
const MIN_INTERVAL_MS = 5;
/** How often a stream is reached at least, if one thread can do it, milliseconds. */
const SOON_MS = 50;
/** Longer rounds follow each other with this much between them, milliseconds: slices leave room for everything else. */
const LEAST_REST_MS = 1;

export class PushPacer implements Disposable {
  readonly #clock: Clock;
  readonly #round: () => Iterator<void, void>;
  readonly #onRound: (waitedMs: number, tookMs: number) => void;
  #timer: Disposable | undefined;
  #isDue = false;
  #isClosed = false;
  #requestedAtMs: number | undefined;
  #nextAtMs = 0;

  /** `round` makes a round; each step of it is one slice. */
  constructor(clock: Clock, round: () => Iterator<void, void>, onRound: (waitedMs: number, tookMs: number) => void) {
    this.#clock = clock;
    this.#round = round;
    this.#onRound = onRound;
  }

  /** Something is to be pushed. The round is never inside this call. */
  request(): void {
    this.#requestedAtMs ??= this.#clock.nowMs();
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    const waitMs = this.#nextAtMs - this.#clock.nowMs();
    if (waitMs <= 0) setImmediate(() => this.#begin());
    else this.#timer = this.#clock.after(waitMs, () => this.#begin());
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #begin(): void {
    const startMs = this.#clock.nowMs();
    const waitedMs = startMs - (this.#requestedAtMs ?? startMs);
    this.#requestedAtMs = undefined;
    this.#slice(this.#round(), startMs, waitedMs);
  }

  #slice(round: Iterator<void, void>, startMs: number, waitedMs: number): void {
    if (this.#isClosed) return;
    if (round.next().done !== true) setImmediate(() => this.#slice(round, startMs, waitedMs));
    // Two turns later the sockets have taken what was written, which is the greater part of the work.
    else setImmediate(() => setImmediate(() => this.#finish(startMs, waitedMs)));
  }

  #finish(startMs: number, waitedMs: number): void {
    const tookMs = this.#clock.nowMs() - startMs;
    const restMs = Math.min(tookMs, Math.max(SOON_MS - tookMs, LEAST_REST_MS));
    this.#nextAtMs = startMs + Math.max(MIN_INTERVAL_MS, tookMs + restMs);
    this.#isDue = false;
    this.#onRound(waitedMs, tookMs);
    if (this.#requestedAtMs !== undefined) this.request();
  }
}

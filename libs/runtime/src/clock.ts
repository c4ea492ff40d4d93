/** Time as a parameter, so that rotation, back-off and drain can be tested without waiting. */

export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch; may jump. */
  wallTimeMs(): number;
  /** Calls back once after `delayMs`; disposing cancels. The timer never keeps a process alive. */
  after(delayMs: number, callback: () => void): Disposable;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallTimeMs: () => Date.now(),
  after(delayMs, callback) {
    // setTimeout fires at once for delays beyond 31 bits; a far deadline is reached in hops instead.
    const longestMs = 0x7fffffff;
    let timer: NodeJS.Timeout;
    const arm = (restMs: number): void => {
      timer = setTimeout(
        () => (restMs > longestMs ? arm(restMs - longestMs) : callback()),
        Math.min(restMs, longestMs),
      );
      timer.unref();
    };
    arm(Math.max(0, delayMs));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

interface PendingTimer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock that moves only when told; timers fire in order of their due time. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #wallStartMs: number;
  readonly #timers = new Set<PendingTimer>();

  constructor(wallStartMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallStartMs = wallStartMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallTimeMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Disposable {
    const timer: PendingTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** Moves on by `ms`, firing what falls due on the way. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      let next: PendingTimer | undefined;
      for (const timer of this.#timers) if (timer.dueMs <= endMs && (!next || timer.dueMs < next.dueMs)) next = timer;
      if (!next) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** Timers not yet fired. */
  get pendingTimers(): number {
    return this.#timers.size;
  }
}

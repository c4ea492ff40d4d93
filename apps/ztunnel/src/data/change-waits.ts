import type { EventLoop, TimerId } from '@ambit/net';

/** Somebody who waits for workloads or policies to change. */
export interface ChangeWaiter {
  /** Looks again; true ends the wait. */
  retry(): boolean;
  /** The time is up; the wait has ended. */
  onExpired(): void;
}

/** Waits for changes of the stores, each with its own end. */
export class ChangeWaits {
  readonly #loop: EventLoop;
  readonly #waiting = new Map<ChangeWaiter, TimerId>();

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Calls `retry` on each change until it answers true, or `onExpired` after the time. */
  add(waiter: ChangeWaiter, timeoutMs: number): void {
    const onTimer = (): void => {
      if (this.#waiting.delete(waiter)) waiter.onExpired();
    };
    this.#waiting.set(waiter, this.#loop.setTimer(timeoutMs, { onTimer }));
  }

  /** Ends a wait without a call; harmless when there is none. */
  cancel(waiter: ChangeWaiter): void {
    const timer = this.#waiting.get(waiter);
    if (timer === undefined) return;
    this.#waiting.delete(waiter);
    this.#loop.clearTimer(timer);
  }

  /** The stores changed. */
  onChange(): void {
    for (const [waiter, timer] of this.#waiting) {
      // An earlier waiter of this round may have cancelled it.
      if (!this.#waiting.has(waiter) || !waiter.retry()) continue;
      this.#waiting.delete(waiter);
      this.#loop.clearTimer(timer);
    }
  }
}

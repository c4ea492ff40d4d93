import type { PendingTimer, TimerHandler, Timers } from '../timers.ts';

/** A clock that stands still until it is told otherwise. */
export class ManualTimers implements Timers {
  nowMs = 1000;
  readonly #pending = new Set<PendingTimer & { readonly handler: TimerHandler }>();

  get pendingCount(): number {
    return this.#pending.size;
  }

  setTimer(delayMs: number, handler: TimerHandler): PendingTimer {
    const timer = { dueMs: this.nowMs + Math.max(0, delayMs), handler };
    this.#pending.add(timer);
    return timer;
  }

  clearTimer(timer: PendingTimer): void {
    for (const pending of this.#pending) if (pending === timer) this.#pending.delete(pending);
  }

  /** Moves on, calling what falls due on the way in order. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#pending].filter(({ dueMs }) => dueMs <= endMs).toSorted((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#pending.delete(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.handler.onTimer();
    }
    this.nowMs = endMs;
  }
}

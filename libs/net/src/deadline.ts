import type { EventLoop, TimerId } from './event-loop.ts';
import type { TimerHandler } from './timer-heap.ts';

/** Who is told that time is over. */
export interface DeadlineUser {
  onDeadline(): void;
}

/**
 * One point in time that is moved often and reached seldom: moving it later, or away, costs no timer. Set from request to
 * request, a timer fires once in a long while and is set again for what is left.
 */
export class Deadline implements TimerHandler {
  readonly #loop: EventLoop;
  readonly #user: DeadlineUser;
  #dueMs: number = Number.POSITIVE_INFINITY;
  #timer: TimerId | undefined;

  constructor(loop: EventLoop, user: DeadlineUser) {
    this.#loop = loop;
    this.#user = user;
  }

  /** From now on; 0 is no limit. */
  set(delayMs: number): void {
    if (delayMs === 0) return this.clear();
    this.#dueMs = this.#loop.nowMs + delayMs;
    const timer = this.#timer;
    if (timer !== undefined && timer.dueMs <= this.#dueMs) return;
    if (timer !== undefined) this.#loop.clearTimer(timer);
    this.#timer = this.#loop.setTimer(delayMs, this);
  }

  /** No limit until the next `set`. */
  clear(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  /** For good: no timer is left. */
  stop(): void {
    this.clear();
    if (this.#timer !== undefined) this.#loop.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  onTimer(): void {
    this.#timer = undefined;
    const restMs = this.#dueMs - this.#loop.nowMs;
    if (restMs <= 0) {
      this.clear();
      this.#user.onDeadline();
    } else if (restMs < Number.POSITIVE_INFINITY) {
      this.#timer = this.#loop.setTimer(restMs, this);
    }
  }
}

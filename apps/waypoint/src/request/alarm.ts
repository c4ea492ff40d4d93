import type { PendingTimer, TimerHandler, Timers } from './timers.ts';

/** Who is told that a time is up, and which. */
export interface AlarmUser<Kind> {
  onAlarm(kind: Kind): void;
}

/** One limit of time; set and cleared as often as need be. */
export class Alarm<Kind> implements TimerHandler {
  readonly #timers: Timers;
  readonly #user: AlarmUser<Kind>;
  readonly #kind: Kind;
  #pending: PendingTimer | undefined;

  constructor(timers: Timers, user: AlarmUser<Kind>, kind: Kind) {
    this.#timers = timers;
    this.#user = user;
    this.#kind = kind;
  }

  /** Instead of a time set before. */
  set(delayMs: number): void {
    this.clear();
    this.#pending = this.#timers.setTimer(delayMs, this);
  }

  clear(): void {
    if (this.#pending !== undefined) this.#timers.clearTimer(this.#pending);
    this.#pending = undefined;
  }

  onTimer(): void {
    this.#pending = undefined;
    this.#user.onAlarm(this.#kind);
  }
}

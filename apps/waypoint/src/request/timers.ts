/** Who is called when a time has come. */
export interface TimerHandler {
  onTimer(): void;
}

/** A timer that has not fired; opaque. */
export interface PendingTimer {
  readonly dueMs: number;
}

/** The clock of the data worker: `EventLoop` of @ambit/net is one, tests bring their own. Monotonic milliseconds. */
export interface Timers {
  readonly nowMs: number;
  setTimer(delayMs: number, handler: TimerHandler): PendingTimer;
  /** Harmless for a timer that has fired. */
  clearTimer(timer: PendingTimer): void;
}

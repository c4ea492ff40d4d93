/**
 * Two-phase stop: first `draining` (stop accepting, let work finish), then `forced` (cut what is left).
 *
 * Work holds a ticket while it must be waited for; the drain ends when the last ticket is returned or the deadline
 * passes. Source: Istio ztunnel's drain channel.
 */
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';

/** In this order; `forced` is left out when everything ends in time. */
export type DrainPhase = 'running' | 'draining' | 'forced' | 'done';

/** Held by work that a drain waits for. */
export interface DrainTicket {
  /** Tells the drain that this work is over; idempotent. */
  release(): void;
}

export class Drain {
  readonly #clock: Clock;
  readonly #listeners = new Set<(phase: DrainPhase) => void>();
  readonly #finished = Promise.withResolvers<void>();
  #phase: DrainPhase = 'running';
  #tickets = 0;
  #deadline: Disposable | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get phase(): DrainPhase {
    return this.#phase;
  }

  /** Work that holds a ticket and keeps the drain waiting. */
  get outstanding(): number {
    return this.#tickets;
  }

  hold(): DrainTicket {
    this.#tickets += 1;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#tickets -= 1;
        if (this.#tickets === 0 && (this.#phase === 'draining' || this.#phase === 'forced')) this.#enter('done');
      },
    };
  }

  /** Calls back on each later change of phase. */
  onPhase(listener: (phase: DrainPhase) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Starts draining; resolves when nothing is outstanding. A second call may only shorten the deadline. */
  start(deadlineMs: number): Promise<void> {
    if (this.#phase === 'done') return this.#finished.promise;
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = this.#clock.after(deadlineMs, () => this.#force());
    if (this.#phase === 'running') {
      this.#enter('draining');
      if (this.#tickets === 0) this.#enter('done');
    }
    return this.#finished.promise;
  }

  #force(): void {
    if (this.#phase !== 'draining') return;
    this.#enter('forced');
    // Holders cut their work in the listener above; what still holds a ticket after that is not waited for.
    this.#enter('done');
  }

  #enter(phase: DrainPhase): void {
    if (this.#phase === 'done' || this.#phase === phase) return;
    this.#phase = phase;
    for (const listener of this.#listeners) listener(phase);
    if (phase === 'done') {
      this.#deadline?.[Symbol.dispose]();
      this.#finished.resolve();
    }
  }
}

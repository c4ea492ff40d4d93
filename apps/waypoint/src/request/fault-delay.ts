import { Alarm, type AlarmUser } from './alarm.ts';
import type { Timers } from './timers.ts';

/** The wait that a route injects before anything of it happens. */
export class FaultDelay implements AlarmUser<'over'> {
  readonly #alarm: Alarm<'over'>;
  readonly #goOn: () => void;

  constructor(timers: Timers, delayMs: number, goOn: () => void) {
    this.#alarm = new Alarm(timers, this, 'over');
    this.#goOn = goOn;
    this.#alarm.set(delayMs);
  }

  cancel(): void {
    this.#alarm.clear();
  }

  onAlarm(): void {
    this.#goOn();
  }
}

/**
 * How long ztunnel stays ready without the node agent. Pods are served without it, and an agent that is away is mostly being
 * replaced: an upgrade of both would else take the old ztunnel, which is not ready, before there is a new one.
 * Istio: unready at once.
 */
import type { Clock } from '@ambit/runtime';

export class AgentPatience implements Disposable {
  readonly #graceMs: number;
  readonly #clock: Clock;
  readonly #onSynced: (isSynced: boolean) => void;
  #timer: Disposable | undefined;

  /** `onSynced` hears of a loss only when nothing has come back for `graceMs`. */
  constructor(graceMs: number, clock: Clock, onSynced: (isSynced: boolean) => void) {
    this.#graceMs = graceMs;
    this.#clock = clock;
    this.#onSynced = onSynced;
  }

  set(isSynced: boolean): void {
    if (isSynced) {
      this[Symbol.dispose]();
      this.#onSynced(true);
    } else {
      this.#timer ??= this.#clock.after(this.#graceMs, () => this.#onSynced(false));
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

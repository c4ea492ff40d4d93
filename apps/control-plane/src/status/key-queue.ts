import { Backoff, type Clock, systemClock } from '@ambit/runtime';

/**
 * Keys that need work, each at most once. A key that is added while it is worked on comes again afterwards; one that
 * failed comes again after a while. It holds no more keys than there are.
 */
export class KeyQueue {
  readonly #clock: Clock;
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failed = new Map<string, { readonly backoff: Backoff; readonly timer: Disposable }>();
  #wake: (() => void)[] = [];

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Keys that wait, are worked on, or wait for another attempt. */
  get size(): number {
    return this.#waiting.size + this.#active.size + this.#failed.size;
  }

  add(key: string): void {
    if (this.#active.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.add(key);
    this.#wake.shift()?.();
  }

  /**
   * Works on keys, several at a time, until `signal` is aborted; what is under way then is waited for. `work` resolves
   * with `retry` when it has to be tried again. It must not reject.
   */
  async run(
    workers: number,
    work: (key: string, signal: AbortSignal) => Promise<'done' | 'retry'>,
    signal: AbortSignal,
  ): Promise<void> {
    const wakeAll = (): void => {
      for (const wake of this.#wake.splice(0)) wake();
    };
    signal.addEventListener('abort', wakeAll, { once: true });
    await Promise.all(Array.from({ length: workers }, () => this.#worker(work, signal)));
    for (const { timer } of this.#failed.values()) timer[Symbol.dispose]();
    this.#failed.clear();
  }

  async #worker(
    work: (key: string, signal: AbortSignal) => Promise<'done' | 'retry'>,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const [key] = this.#waiting;
      if (key === undefined) {
        await new Promise<void>((resolve) => this.#wake.push(resolve));
        continue;
      }
      this.#waiting.delete(key);
      this.#active.add(key);
      const outcome = await work(key, signal);
      this.#active.delete(key);
      this.#settle(key, outcome);
    }
  }

  #settle(key: string, outcome: 'done' | 'retry'): void {
    const before = this.#failed.get(key);
    before?.timer[Symbol.dispose]();
    this.#failed.delete(key);
    if (this.#again.delete(key)) return this.add(key);
    if (outcome === 'done') return;
    const backoff = before?.backoff ?? new Backoff({ initialMs: 500, maxMs: 60_000, jitter: 0.3 });
    // The entry stays while the key is worked on again, so that the next delay is longer.
    const timer = this.#clock.after(backoff.nextMs(), () => this.add(key));
    this.#failed.set(key, { backoff, timer });
  }
}

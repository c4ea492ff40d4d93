/** Who waits for which on-demand name. */

export type DemandOutcome = 'found' | 'removed';

export class DemandedNames {
  readonly #waiting = new Map<string, Set<(outcome: DemandOutcome) => void>>();

  /** Resolves at the first {@link settle} of the name; rejects with the signal's reason. */
  wait(typeUrl: string, name: string, signal: AbortSignal): Promise<DemandOutcome> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const key = keyOf(typeUrl, name);
    const { promise, resolve, reject } = Promise.withResolvers<DemandOutcome>();
    const settle = (outcome: DemandOutcome): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(outcome);
    };
    const onAbort = (): void => {
      const waiters = this.#waiting.get(key);
      waiters?.delete(settle);
      if (waiters?.size === 0) this.#waiting.delete(key);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const waiters = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiters.add(settle));
    return promise;
  }

  settle(typeUrl: string, name: string, outcome: DemandOutcome): void {
    if (this.#waiting.size === 0) return;
    const key = keyOf(typeUrl, name);
    const waiters = this.#waiting.get(key);
    if (waiters === undefined) return;
    this.#waiting.delete(key);
    for (const settle of waiters) settle(outcome);
  }
}

/** A type URL holds no space. */
function keyOf(typeUrl: string, name: string): string {
  return `${typeUrl} ${name}`;
}

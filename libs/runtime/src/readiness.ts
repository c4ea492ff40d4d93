/** Readiness as a set of named conditions that are still open; ready when the set is empty. */

export class Readiness {
  readonly #pending = new Map<string, number>();
  readonly #listeners = new Set<(isReady: boolean) => void>();

  /** Opens a condition; the returned function closes it (idempotent). The same name may be open several times. */
  pend(name: string): () => void {
    const wasReady = this.isReady;
    this.#pending.set(name, (this.#pending.get(name) ?? 0) + 1);
    if (wasReady) this.#tell();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const rest = (this.#pending.get(name) ?? 1) - 1;
      if (rest > 0) this.#pending.set(name, rest);
      else this.#pending.delete(name);
      if (this.isReady) this.#tell();
    };
  }

  get isReady(): boolean {
    return this.#pending.size === 0;
  }

  /** Names of open conditions, sorted. */
  pending(): readonly string[] {
    return [...this.#pending.keys()].sort();
  }

  /** What a page of readiness says, one line: `ready`, or which conditions are open. */
  describe(): string {
    return this.isReady ? 'ready\n' : `not ready, pending: ${this.pending().join(', ')}\n`;
  }

  onChange(listener: (isReady: boolean) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.isReady);
  }
}

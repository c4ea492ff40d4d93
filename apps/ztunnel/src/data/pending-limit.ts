/** Listeners to be told when there is room again. */
export interface PendingListener {
  onRoom(): void;
}

/**
 * The bound on connections that have been accepted but do not carry bytes yet: in a TLS handshake, waiting for a
 * policy or a certificate, or dialling. At the bound the listeners stop accepting; the kernel's backlog holds the rest.
 */
export class PendingLimit {
  readonly #limit: number;
  readonly #paused = new Set<PendingListener>();
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#limit;
  }

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#paused.size === 0 || this.#count > this.#limit / 2) return;
    const paused = [...this.#paused];
    this.#paused.clear();
    for (const listener of paused) listener.onRoom();
  }

  /** Calls once when there is room. */
  whenRoom(listener: PendingListener): void {
    this.#paused.add(listener);
  }

  cancel(listener: PendingListener): void {
    this.#paused.delete(listener);
  }
}

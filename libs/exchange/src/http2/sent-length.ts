/** Counts a body against the length that was announced for it. */
export class SentLength {
  #left = -1;

  /** Undefined: nothing was announced. */
  announce(bytes: number | undefined): void {
    this.#left = bytes ?? -1;
  }

  /** False if there is more than announced. */
  take(bytes: number): boolean {
    if (this.#left < 0) return true;
    this.#left -= bytes;
    if (this.#left >= 0) return true;
    this.#left = 0;
    return false;
  }

  get isComplete(): boolean {
    return this.#left <= 0;
  }
}

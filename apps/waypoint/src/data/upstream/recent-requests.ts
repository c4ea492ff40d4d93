/** Interval parts: a request may be forgotten a tenth of the interval too late. */
const slotCount = 10;

/** How many of the requests that are over began within an interval. Memory is bounded whatever their number. */
export class RecentRequests {
  readonly #slotMs: number;
  /** By the slot in which they began; `#first` is the number of the oldest one that counts. */
  readonly #counts: number[] = Array.from({ length: slotCount }, () => 0);
  #first = 0;
  #sum = 0;

  constructor(intervalMs: number) {
    this.#slotMs = Math.max(intervalMs / slotCount, 1);
  }

  /** A request is over. Times are monotonic. */
  note(startMs: number, nowMs: number): void {
    this.#forget(nowMs);
    const slot = Math.floor(startMs / this.#slotMs);
    if (slot < this.#first) return;
    this.#counts[slot % slotCount] = (this.#counts[slot % slotCount] ?? 0) + 1;
    this.#sum += 1;
  }

  count(nowMs: number): number {
    this.#forget(nowMs);
    return this.#sum;
  }

  #forget(nowMs: number): void {
    const first = Math.floor(nowMs / this.#slotMs) - slotCount + 1;
    const gone = Math.min(first - this.#first, slotCount);
    for (let i = 0; i < gone; i++) {
      const at = (this.#first + i) % slotCount;
      this.#sum -= this.#counts[at] ?? 0;
      this.#counts[at] = 0;
    }
    this.#first = Math.max(this.#first, first);
  }
}

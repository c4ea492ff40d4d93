/** A bounded cache of decoded records; the oldest goes first. */
export class RecordCache<T> {
  readonly #limit: number;
  readonly #records = new Map<number, T>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(id: number): T | undefined {
    return this.#records.get(id);
  }

  /** Keeps a record and returns it. */
  set(id: number, record: T): T {
    if (this.#records.size >= this.#limit) {
      for (const oldest of this.#records.keys()) {
        this.#records.delete(oldest);
        break;
      }
    }
    this.#records.set(id, record);
    return record;
  }

  delete(id: number): void {
    this.#records.delete(id);
  }
}

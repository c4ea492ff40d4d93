/** One run of a transformation, which has to run again when something it read changed. */
export interface Reader {
  invalidate(): void;
}

/** Who read what, by what they asked for (a key, or a value of an index). */
export class ReaderTable {
  readonly #readers = new Map<string, Set<Reader>>();

  enter(asked: string, reader: Reader): void {
    const readers = this.#readers.get(asked);
    if (readers === undefined) this.#readers.set(asked, new Set([reader]));
    else readers.add(reader);
  }

  leave(asked: string, reader: Reader): void {
    const readers = this.#readers.get(asked);
    if (readers?.delete(reader) === true && readers.size === 0) this.#readers.delete(asked);
  }

  /** The answer to `asked` changed. */
  wake(asked: string): void {
    const readers = this.#readers.get(asked);
    if (readers !== undefined) for (const reader of readers) reader.invalidate();
  }
}

/** One run of a transformation, which has to run again when something it read changed. */
export interface Reader {
  invalidate(): void;
}

/** Who read what, by what they asked for (a key, or a value of an index). */
export class ReaderTable {
  readonly #read = new Map<string, ReadItem>();

  /** Notes that `reader` asked; the result tells how to undo it. */
  enter(asked: string, reader: Reader): ReadItem {
    const known = this.#read.get(asked);
    if (known !== undefined) {
      known.add(reader);
      return known;
    }
    const item = new ReadItem(this, asked, reader);
    this.#read.set(asked, item);
    return item;
  }

  /** The answer to `asked` changed. */
  wake(asked: string): void {
    this.#read.get(asked)?.wake();
  }

  /** Called by items that nobody reads any more. */
  forget(asked: string): void {
    this.#read.delete(asked);
  }
}

/**
 * One answer with those who read it. There are several for each item of the mesh: most have one reader, and what was asked
 * for is kept once, however many read it.
 */
export class ReadItem {
  readonly #table: ReaderTable;
  readonly #asked: string;
  #readers: Reader | Set<Reader>;

  constructor(table: ReaderTable, asked: string, reader: Reader) {
    this.#table = table;
    this.#asked = asked;
    this.#readers = reader;
  }

  add(reader: Reader): void {
    if (this.#readers instanceof Set) this.#readers.add(reader);
    else if (this.#readers !== reader) this.#readers = new Set([this.#readers, reader]);
  }

  leave(reader: Reader): void {
    if (this.#readers instanceof Set) {
      this.#readers.delete(reader);
      if (this.#readers.size > 1) return;
      const [last] = this.#readers;
      if (last !== undefined) {
        this.#readers = last;
        return;
      }
    } else if (this.#readers !== reader) return;
    this.#table.forget(this.#asked);
  }

  wake(): void {
    if (this.#readers instanceof Set) for (const reader of this.#readers) reader.invalidate();
    else this.#readers.invalidate();
  }
}

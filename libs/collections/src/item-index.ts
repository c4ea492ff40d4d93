import type { Collection, Index } from './collection.ts';
import { ReaderTable } from './reader-table.ts';

const none: readonly never[] = [];

/** An index that its collection keeps up to date. */
export class ItemIndex<T> implements Index<T> {
  readonly name: string;
  readonly collection: Collection<T>;
  readonly readers: ReaderTable = new ReaderTable();
  readonly #valuesOf: (item: T) => readonly string[];
  /** Most values have one key. */
  readonly #keysByValue = new Map<string, string | Set<string>>();

  constructor(name: string, collection: Collection<T>, valuesOf: (item: T) => readonly string[]) {
    this.name = name;
    this.collection = collection;
    this.#valuesOf = valuesOf;
  }

  lookup(value: string): readonly T[] {
    const keys = this.#keysByValue.get(value);
    if (keys === undefined) return none;
    if (typeof keys === 'string') {
      const only = this.collection.get(keys);
      return only === undefined ? none : [only];
    }
    const items: T[] = [];
    for (const key of keys) {
      const item = this.collection.get(key);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  /** Takes over a change of the collection and wakes the readers it concerns. */
  change(key: string, previous: T | undefined, item: T | undefined): void {
    if (previous !== undefined) for (const value of this.#valuesOf(previous)) this.#remove(value, key);
    if (item !== undefined) for (const value of this.#valuesOf(item)) this.#add(value, key);
  }

  #add(value: string, key: string): void {
    const keys = this.#keysByValue.get(value);
    if (keys === undefined) this.#keysByValue.set(value, key);
    else if (typeof keys !== 'string') keys.add(key);
    else if (keys !== key) this.#keysByValue.set(value, new Set([keys, key]));
    this.readers.wake(value);
  }

  #remove(value: string, key: string): void {
    const keys = this.#keysByValue.get(value);
    if (keys === undefined) return;
    this.readers.wake(value);
    if (typeof keys === 'string') {
      if (keys === key) this.#keysByValue.delete(value);
      return;
    }
    keys.delete(key);
    if (keys.size === 0) this.#keysByValue.delete(value);
  }
}

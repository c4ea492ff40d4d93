import type { Change } from './change.ts';
import type { ReaderTable } from './reader-table.ts';

/**
 * Items by key, always consistent with everything they are derived from when seen from outside an update. Items are
 * immutable. `undefined` is never an item.
 */
export interface Collection<T> {
  /** For messages. */
  readonly name: string;
  /** Position in the order of updating: a derived collection comes after everything it reads. */
  readonly rank: number;
  readonly size: number;
  get(key: string): T | undefined;
  /** Items in no particular order. */
  values(): Iterable<T>;
  entries(): Iterable<readonly [string, T]>;
  /**
   * Groups items by values computed from each; the index stays up to date. Keep it and share it: each call makes a new
   * one that lives as long as the collection.
   */
  index(name: string, valuesOf: (item: T) => readonly string[]): Index<T>;
  /**
   * Calls back with the changes of every settled update that changed something here; each key at most once. It must
   * not update sources. Disposing stops it.
   */
  subscribe(handler: (changes: readonly Change<T>[]) => void): Disposable;
  /** Hears of the key of each change as it is made, while an update settles. For collections derived from this one. */
  listen(listener: (key: string) => void): void;
  /** Readers of single items, by key; readers of all items, under `everything`. For recorded reads. */
  readonly readers: { readonly byKey: ReaderTable; readonly ofAll: ReaderTable };
}

/** What readers of a whole collection ask for. */
export const everything = '';

/** Items of one collection by computed values. */
export interface Index<T> {
  readonly name: string;
  readonly collection: Collection<T>;
  lookup(value: string): readonly T[];
  /** Readers by value. For recorded reads. */
  readonly readers: ReaderTable;
}

/** Orders texts by code units, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

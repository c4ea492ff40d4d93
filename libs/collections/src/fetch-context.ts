import type { Collection, Index } from './collection.ts';

/**
 * How a transformation reads other collections. Every read is recorded, so the transformation runs again when the
 * answer may have changed. A transformation must be a pure function of its input and of what it fetches.
 */
export interface FetchContext {
  /** The item of a key. Reads again only when that item changes. */
  get<T>(collection: Collection<T>, key: string): T | undefined;
  /** The items an index has for a value, in no particular order. Reads again only when one of them changes. */
  lookup<T>(index: Index<T>, value: string): readonly T[];
  /** All items, in no particular order. Reads again on every change: use it for small collections. */
  all<T>(collection: Collection<T>): readonly T[];
}

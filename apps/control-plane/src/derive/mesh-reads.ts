import type { FetchContext } from '@ambit/collections';

/** Reads of single items and of indexes. */
export type MeshReads = Pick<FetchContext, 'get' | 'lookup'>;

/** Reads the present state, outside any derivation; nobody hears of later changes. */
export const presentReads: MeshReads = {
  get: (collection, key) => collection.get(key),
  lookup: (index, value) => index.lookup(value),
};

import { everything, type Collection, type Index } from './collection.ts';
import type { FetchContext } from './fetch-context.ts';
import type { Reader } from './reader-table.ts';

/** Records what each run of one collection's transformation fetched. Runs are named by the key of their input. */
export class DependencyLog {
  readonly #owner: { readonly name: string; readonly rank: number };
  readonly #invalidate: (run: string) => void;
  /** What takes a run's reads out again. */
  readonly #undo = new Map<string, (() => void)[]>();

  /** `invalidate` hears of runs whose answers may have changed. */
  constructor(owner: { readonly name: string; readonly rank: number }, invalidate: (run: string) => void) {
    this.#owner = owner;
    this.#invalidate = invalidate;
  }

  /** A context that records for `run`, after what was recorded for it before is forgotten. */
  open(run: string): FetchContext {
    this.forget(run);
    const reader: Reader = { invalidate: () => this.#invalidate(run) };
    const undo: (() => void)[] = [];
    this.#undo.set(run, undo);
    return {
      get: <T>(collection: Collection<T>, key: string): T | undefined => {
        this.#checkOrder(collection);
        undo.push(collection.readers.byKey.enter(key, reader));
        return collection.get(key);
      },
      lookup: <T>(index: Index<T>, value: string): readonly T[] => {
        this.#checkOrder(index.collection);
        undo.push(index.readers.enter(value, reader));
        return index.lookup(value);
      },
      all: <T>(collection: Collection<T>): readonly T[] => {
        this.#checkOrder(collection);
        undo.push(collection.readers.ofAll.enter(everything, reader));
        return [...collection.values()];
      },
    };
  }

  forget(run: string): void {
    const undo = this.#undo.get(run);
    if (undo === undefined) return;
    this.#undo.delete(run);
    for (const remove of undo) remove();
  }

  #checkOrder(collection: { readonly name: string; readonly rank: number }): void {
    if (collection.rank < this.#owner.rank) return;
    throw new Error(`${this.#owner.name} must not read ${collection.name}, which was made after it`);
  }
}

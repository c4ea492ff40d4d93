import { everything, type Collection, type Index } from './collection.ts';
import type { FetchContext } from './fetch-context.ts';
import type { Reader, ReaderTable } from './reader-table.ts';

/** Records what each run of one collection's transformation fetched. Runs are named by the key of their input. */
export class DependencyLog {
  readonly #owner: { readonly name: string; readonly rank: number };
  readonly #invalidate: (run: string) => void;
  readonly #runs = new Map<string, RunReads>();

  /** `invalidate` hears of runs whose answers may have changed. */
  constructor(owner: { readonly name: string; readonly rank: number }, invalidate: (run: string) => void) {
    this.#owner = owner;
    this.#invalidate = invalidate;
  }

  /** A context that records for `run`, after what was recorded for it before is forgotten. */
  open(run: string): FetchContext {
    this.forget(run);
    const reads = new RunReads(run, this.#invalidate);
    this.#runs.set(run, reads);
    return {
      get: <T>(collection: Collection<T>, key: string): T | undefined => {
        this.#checkOrder(collection);
        reads.enter(collection.readers.byKey, key);
        return collection.get(key);
      },
      lookup: <T>(index: Index<T>, value: string): readonly T[] => {
        this.#checkOrder(index.collection);
        reads.enter(index.readers, value);
        return index.lookup(value);
      },
      all: <T>(collection: Collection<T>): readonly T[] => {
        this.#checkOrder(collection);
        reads.enter(collection.readers.ofAll, everything);
        return [...collection.values()];
      },
    };
  }

  forget(run: string): void {
    this.#runs.get(run)?.leaveAll();
    this.#runs.delete(run);
  }

  #checkOrder(collection: { readonly name: string; readonly rank: number }): void {
    if (collection.rank < this.#owner.rank) return;
    throw new Error(`${this.#owner.name} must not read ${collection.name}, which was made after it`);
  }
}

/** What one run read. There is one for each item of the mesh, so it holds flat lists and no closures. */
class RunReads implements Reader {
  readonly #run: string;
  readonly #invalidate: (run: string) => void;
  readonly #tables: ReaderTable[] = [];
  readonly #asked: string[] = [];

  constructor(run: string, invalidate: (run: string) => void) {
    this.#run = run;
    this.#invalidate = invalidate;
  }

  invalidate(): void {
    this.#invalidate(this.#run);
  }

  enter(table: ReaderTable, asked: string): void {
    table.enter(asked, this);
    this.#tables.push(table);
    this.#asked.push(asked);
  }

  leaveAll(): void {
    for (const [i, table] of this.#tables.entries()) table.leave(this.#asked[i] ?? '', this);
  }
}

import { everything, type Collection, type Index } from './collection.ts';
import type { FetchContext } from './fetch-context.ts';
import type { Reader, ReaderTable, ReadItem } from './reader-table.ts';

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

  /** Runs a transformation and records what it fetches, after what was recorded for this run before is forgotten. */
  record<T>(run: string, transform: (context: FetchContext) => T): T {
    const before = this.#runs.get(run);
    const reads = new RunReads(run, this.#invalidate);
    const items: ReadItem[] = [];
    const enter = (collection: { readonly name: string; readonly rank: number }, table: ReaderTable, asked: string) => {
      this.#checkOrder(collection);
      items.push(table.enter(asked, reads));
    };
    const context: FetchContext = {
      get: <I>(collection: Collection<I>, key: string): I | undefined => {
        enter(collection, collection.readers.byKey, key);
        return collection.get(key);
      },
      lookup: <I>(index: Index<I>, value: string): readonly I[] => {
        enter(index.collection, index.readers, value);
        return index.lookup(value);
      },
      all: <I>(collection: Collection<I>): readonly I[] => {
        enter(collection, collection.readers.ofAll, everything);
        return [...collection.values()];
      },
    };
    try {
      return transform(context);
    } finally {
      // What was read before and now was entered twice; leaving the old run does not touch the new one.
      before?.leaveAll();
      reads.seal(items);
      this.#runs.set(run, reads);
    }
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

const NOTHING: readonly ReadItem[] = [];

/** What one run read. There is one for each item of the mesh, so it holds one list of just the length, and no closures. */
class RunReads implements Reader {
  readonly #run: string;
  readonly #invalidate: (run: string) => void;
  #items: readonly ReadItem[] = NOTHING;

  constructor(run: string, invalidate: (run: string) => void) {
    this.#run = run;
    this.#invalidate = invalidate;
  }

  invalidate(): void {
    this.#invalidate(this.#run);
  }

  /** Takes over a list of what was read; a copy has no room to grow. */
  seal(items: readonly ReadItem[]): void {
    this.#items = items.slice();
  }

  leaveAll(): void {
    for (const item of this.#items) item.leave(this);
  }
}

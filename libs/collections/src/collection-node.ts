import { changeBetween, type Change, type Equality } from './change.ts';
import { everything, type Collection, type Index } from './collection.ts';
import type { Graph, GraphNode } from './graph.ts';
import { ItemIndex } from './item-index.ts';
import { ReaderTable } from './reader-table.ts';

/**
 * Shared part of all collections: items, indexes, what changed in this update, listeners and subscribers. Subclasses
 * decide when to call `put`.
 */
export abstract class CollectionNode<T> implements Collection<T>, GraphNode {
  readonly name: string;
  readonly rank: number;
  readonly readers: Collection<T>['readers'] = { byKey: new ReaderTable(), ofAll: new ReaderTable() };
  readonly #isEqual: Equality<T>;
  readonly #items = new Map<string, T>();
  readonly #before = new Map<string, T | undefined>();
  readonly #indexes: ItemIndex<T>[] = [];
  readonly #listeners: ((key: string) => void)[] = [];
  readonly #subscribers = new Set<(changes: readonly Change<T>[]) => void>();

  constructor(graph: Graph, name: string, isEqual: Equality<T>) {
    this.name = name;
    this.#isEqual = isEqual;
    this.rank = graph.register(this);
  }

  get size(): number {
    return this.#items.size;
  }

  get(key: string): T | undefined {
    return this.#items.get(key);
  }

  values(): Iterable<T> {
    return this.#items.values();
  }

  entries(): Iterable<readonly [string, T]> {
    return this.#items.entries();
  }

  index(name: string, valuesOf: (item: T) => readonly string[]): Index<T> {
    const index = new ItemIndex(name, this, valuesOf);
    for (const [key, item] of this.#items) index.change(key, undefined, item);
    this.#indexes.push(index);
    return index;
  }

  subscribe(handler: (changes: readonly Change<T>[]) => void): Disposable {
    this.#subscribers.add(handler);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(handler) };
  }

  listen(listener: (key: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Brings the items up to date with what they are derived from. */
  abstract recompute(): void;

  get hasChanges(): boolean {
    return this.#before.size > 0;
  }

  /** Tells subscribers the difference to the last settled state. */
  publish(): void {
    const changes: Change<T>[] = [];
    for (const [key, previous] of this.#before) {
      const change = changeBetween(key, previous, this.#items.get(key), this.#isEqual);
      if (change !== undefined) changes.push(change);
    }
    this.#before.clear();
    if (changes.length > 0) for (const subscriber of this.#subscribers) subscriber(changes);
  }

  /** Sets or, with undefined, removes an item; an equal one is left as it was. */
  protected put(key: string, item: T | undefined): void {
    const previous = this.#items.get(key);
    const change = changeBetween(key, previous, item, this.#isEqual);
    if (change === undefined) return;
    if (!this.#before.has(key)) this.#before.set(key, previous);
    if (item === undefined) this.#items.delete(key);
    else this.#items.set(key, item);
    for (const index of this.#indexes) index.change(key, previous, item);
    for (const listener of this.#listeners) listener(key);
    this.readers.byKey.wake(key);
    this.readers.ofAll.wake(everything);
  }
}

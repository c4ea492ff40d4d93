import { isDeepStrictEqual } from 'node:util';
import type { Equality } from './change.ts';
import { CollectionNode } from './collection-node.ts';
import type { Graph } from './graph.ts';

/** Items put in from outside. Change it inside `Graph.update` to have several changes seen as one. */
export class SourceCollection<T> extends CollectionNode<T> {
  readonly #graph: Graph;
  readonly #keyOf: (item: T) => string;

  constructor(graph: Graph, name: string, keyOf: (item: T) => string, isEqual: Equality<T> = isDeepStrictEqual) {
    super(graph, name, isEqual);
    this.#graph = graph;
    this.#keyOf = keyOf;
  }

  set(item: T): void {
    this.#graph.update(() => this.put(this.#keyOf(item), item));
  }

  delete(key: string): void {
    this.#graph.update(() => this.put(key, undefined));
  }

  /** Makes these the only items. */
  replace(items: Iterable<T>): void {
    this.#graph.update(() => {
      const next = new Map<string, T>();
      for (const item of items) next.set(this.#keyOf(item), item);
      for (const [key] of this.entries()) if (!next.has(key)) this.put(key, undefined);
      for (const [key, item] of next) this.put(key, item);
    });
  }

  override recompute(): void {
    // Nothing to derive: items are put in from outside.
  }
}

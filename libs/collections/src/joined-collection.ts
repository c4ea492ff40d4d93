import { isDeepStrictEqual } from 'node:util';
import type { Equality } from './change.ts';
import type { Collection } from './collection.ts';
import { CollectionNode } from './collection-node.ts';
import type { Graph } from './graph.ts';

/** All items of several collections. Of items with the same key, the one of the collection named first counts. */
export function join<T>(
  graph: Graph,
  name: string,
  parts: readonly Collection<T>[],
  isEqual: Equality<T> = isDeepStrictEqual,
): Collection<T> {
  return new JoinedCollection(graph, name, parts, isEqual);
}

class JoinedCollection<T> extends CollectionNode<T> {
  readonly #parts: readonly Collection<T>[];
  readonly #dirty = new Set<string>();

  constructor(graph: Graph, name: string, parts: readonly Collection<T>[], isEqual: Equality<T>) {
    super(graph, name, isEqual);
    this.#parts = parts;
    for (const part of parts) {
      part.listen((key) => this.#dirty.add(key));
      for (const [key] of part.entries()) this.#dirty.add(key);
    }
    graph.update(() => undefined);
  }

  override recompute(): void {
    for (const key of this.#dirty) this.put(key, this.#find(key));
    this.#dirty.clear();
  }

  #find(key: string): T | undefined {
    for (const part of this.#parts) {
      const item = part.get(key);
      if (item !== undefined) return item;
    }
    return undefined;
  }
}

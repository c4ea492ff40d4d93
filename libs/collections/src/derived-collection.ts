import { isDeepStrictEqual } from 'node:util';
import type { Equality } from './change.ts';
import { compareText, type Collection } from './collection.ts';
import { CollectionNode } from './collection-node.ts';
import { DependencyLog } from './dependency-log.ts';
import type { FetchContext } from './fetch-context.ts';
import type { Graph } from './graph.ts';

export interface DeriveOptions<I, O> {
  readonly name: string;
  /** The transformation runs once for each item of this collection. */
  readonly from: Collection<I>;
  /** Key of an output. */
  readonly keyOf: (output: O) => string;
  /** Gives any number of outputs for one input. Pure: see FetchContext. */
  readonly transform: (input: I, context: FetchContext) => Iterable<O>;
  /** Default: deep equality. */
  readonly isEqual?: Equality<O>;
}

/**
 * A collection computed from another one, item by item, with recorded reads of further ones. When several inputs give
 * an output of the same key, the one of the input with the smallest key counts, so the result does not depend on the
 * order of events.
 */
export function derive<I, O>(graph: Graph, options: DeriveOptions<I, O>): Collection<O> {
  return new DerivedCollection(graph, options);
}

class DerivedCollection<I, O> extends CollectionNode<O> {
  readonly #options: DeriveOptions<I, O>;
  readonly #log: DependencyLog;
  readonly #dirty = new Set<string>();
  /** Outputs by input key, then by output key. */
  readonly #outputs = new Map<string, ReadonlyMap<string, O>>();
  /** Input keys by output key. */
  readonly #producers = new Map<string, Set<string>>();

  constructor(graph: Graph, options: DeriveOptions<I, O>) {
    super(graph, options.name, options.isEqual ?? isDeepStrictEqual);
    this.#options = options;
    this.#log = new DependencyLog(this, (input) => this.#dirty.add(input));
    const { from } = options;
    from.listen((key) => this.#dirty.add(key));
    for (const [key] of from.entries()) this.#dirty.add(key);
    graph.update(() => undefined);
  }

  override recompute(): void {
    if (this.#dirty.size === 0) return;
    const touched = new Set<string>();
    for (const input of this.#dirty) this.#run(input, touched);
    this.#dirty.clear();
    for (const key of touched) this.put(key, this.#winner(key));
  }

  #run(inputKey: string, touched: Set<string>): void {
    const { from, keyOf, transform } = this.#options;
    const input = from.get(inputKey);
    const outputs = new Map<string, O>();
    if (input === undefined) this.#log.forget(inputKey);
    else for (const output of transform(input, this.#log.open(inputKey))) outputs.set(keyOf(output), output);
    for (const key of this.#outputs.get(inputKey)?.keys() ?? []) {
      touched.add(key);
      const producers = this.#producers.get(key);
      producers?.delete(inputKey);
      if (producers?.size === 0) this.#producers.delete(key);
    }
    for (const key of outputs.keys()) {
      touched.add(key);
      const producers = this.#producers.get(key);
      if (producers === undefined) this.#producers.set(key, new Set([inputKey]));
      else producers.add(inputKey);
    }
    if (outputs.size === 0) this.#outputs.delete(inputKey);
    else this.#outputs.set(inputKey, outputs);
  }

  #winner(key: string): O | undefined {
    const producers = this.#producers.get(key);
    if (producers === undefined) return undefined;
    const [first] = producers.size === 1 ? producers : [...producers].toSorted(compareText);
    return first === undefined ? undefined : this.#outputs.get(first)?.get(key);
  }
}

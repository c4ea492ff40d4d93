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

interface Keyed<O> {
  readonly key: string;
  readonly output: O;
}

class DerivedCollection<I, O> extends CollectionNode<O> {
  readonly #options: DeriveOptions<I, O>;
  readonly #isEqual: Equality<O>;
  readonly #log: DependencyLog;
  readonly #dirty = new Set<string>();
  /** Outputs by input key. */
  readonly #outputs = new Map<string, readonly Keyed<O>[]>();
  /** Input keys by output key: nearly always one, which then needs no set. */
  readonly #producers = new Map<string, string | Set<string>>();

  constructor(graph: Graph, options: DeriveOptions<I, O>) {
    const isEqual = options.isEqual ?? isDeepStrictEqual;
    super(graph, options.name, isEqual);
    this.#options = options;
    this.#isEqual = isEqual;
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
    const { from } = this.#options;
    const input = from.get(inputKey);
    const before = this.#outputs.get(inputKey);
    if (input === undefined) this.#log.forget(inputKey);
    const outputs =
      input === undefined ? [] : this.#transform(inputKey, input).map((keyed) => this.#kept(keyed, before));
    for (const { key } of before ?? []) {
      touched.add(key);
      this.#leave(key, inputKey);
    }
    for (const { key } of outputs) {
      touched.add(key);
      this.#enter(key, inputKey);
    }
    if (outputs.length === 0) this.#outputs.delete(inputKey);
    else this.#outputs.set(inputKey, outputs);
  }

  /** What a run gives again is the object from before, which the items and further collections hold: one, not two. */
  #kept(keyed: Keyed<O>, before: readonly Keyed<O>[] | undefined): Keyed<O> {
    const known = before?.find(({ key }) => key === keyed.key);
    return known !== undefined && this.#isEqual(known.output, keyed.output) ? known : keyed;
  }

  #transform(inputKey: string, input: I): readonly Keyed<O>[] {
    const { keyOf, transform } = this.#options;
    return this.#log.record(inputKey, (context) => {
      const outputs: Keyed<O>[] = [];
      for (const output of transform(input, context)) {
        const key = keyOf(output);
        const at = outputs.findIndex((known) => known.key === key);
        if (at === -1) outputs.push({ key, output });
        else outputs[at] = { key, output };
      }
      return outputs;
    });
  }

  #enter(key: string, inputKey: string): void {
    const producers = this.#producers.get(key);
    if (producers === undefined) this.#producers.set(key, inputKey);
    else if (typeof producers !== 'string') producers.add(inputKey);
    else if (producers !== inputKey) this.#producers.set(key, new Set([producers, inputKey]));
  }

  #leave(key: string, inputKey: string): void {
    const producers = this.#producers.get(key);
    if (typeof producers === 'string') {
      if (producers === inputKey) this.#producers.delete(key);
      return;
    }
    producers?.delete(inputKey);
    if (producers?.size === 0) this.#producers.delete(key);
  }

  #winner(key: string): O | undefined {
    const producers = this.#producers.get(key);
    if (producers === undefined) return undefined;
    const first = typeof producers === 'string' ? producers : [...producers].toSorted(compareText)[0];
    if (first === undefined) return undefined;
    return this.#outputs.get(first)?.find((keyed) => keyed.key === key)?.output;
  }
}

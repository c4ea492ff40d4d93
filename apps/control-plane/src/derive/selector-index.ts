import { type Collection, derive, type Graph, type Index } from '@ambit/collections';
import { type Labels, matchesLabels } from '@ambit/kube';
import type { MeshReads } from './mesh-reads.ts';

/** What an item selects by labels, in one namespace. An empty selector selects everything there. */
export interface Selection {
  readonly namespace: string;
  readonly labels: Labels;
}

/** One label that selectors of a namespace are found by; '' for those that are empty. */
interface SelectorKey {
  readonly namespace: string;
  readonly key: string;
}

/**
 * Finds the selectors that match an object without looking at all of them. A selector is filed under one of its labels;
 * an object asks for those of its labels only that some selector of the namespace is filed under. Objects have many
 * labels and are many, so every look-up that need not be made, and remembered, counts.
 */
export class SelectorIndex<T> {
  readonly #selectionOf: (item: T) => Selection | undefined;
  readonly #byLabel: Index<T>;
  readonly #keys: Index<SelectorKey>;

  /** `selectionOf` gives undefined for items that select nothing by labels. */
  constructor(graph: Graph, items: Collection<T>, selectionOf: (item: T) => Selection | undefined) {
    this.#selectionOf = selectionOf;
    this.#byLabel = items.index('by-selector', (item) => {
      const selection = selectionOf(item);
      return selection === undefined ? [] : [fileName(selection)];
    });
    const keys = derive<T, SelectorKey>(graph, {
      name: `${items.name}-selector-keys`,
      from: items,
      keyOf: ({ namespace, key }) => `${namespace}|${key}`,
      transform: (item) => {
        const selection = selectionOf(item);
        return selection === undefined ? [] : [{ namespace: selection.namespace, key: firstKey(selection.labels) }];
      },
    });
    this.#keys = keys.index('by-namespace', ({ namespace }) => [namespace]);
  }

  /** Items whose selector is of this namespace and matches the labels, in no particular order. */
  matching(reads: MeshReads, namespace: string, labels: Labels): readonly T[] {
    const found: T[] = [];
    for (const { key } of reads.lookup(this.#keys, namespace)) {
      const value = key === '' ? '' : labels[key];
      if (value === undefined) continue;
      for (const item of reads.lookup(this.#byLabel, label(namespace, key, value))) {
        if (matchesLabels(this.#selectionOf(item)?.labels ?? {}, labels)) found.push(item);
      }
    }
    return found;
  }
}

function fileName({ namespace, labels }: Selection): string {
  const key = firstKey(labels);
  return label(namespace, key, labels[key] ?? '');
}

/** The same for equal selectors, whatever the order they are written in. */
function firstKey(labels: Labels): string {
  let first = '';
  for (const key in labels) if (first === '' || key < first) first = key;
  return first;
}

function label(namespace: string, key: string, value: string): string {
  return `${namespace}|${key}=${value}`;
}

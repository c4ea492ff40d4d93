import { isDeepStrictEqual } from 'node:util';
import type { Equality } from './change.ts';
import type { Collection } from './collection.ts';
import { derive } from './derived-collection.ts';
import type { FetchContext } from './fetch-context.ts';
import type { Graph } from './graph.ts';
import { SourceCollection } from './source-collection.ts';

/** Key of the only item of a singleton. */
export const singletonKey = '';

/** A collection of at most one item (under `singletonKey`), computed from others. Undefined means there is none. */
export function singleton<T>(
  graph: Graph,
  name: string,
  compute: (context: FetchContext) => T | undefined,
  isEqual: Equality<T> = isDeepStrictEqual,
): Collection<T> {
  const start = new SourceCollection<string>(graph, `${name}/start`, () => singletonKey);
  start.set(name);
  return derive(graph, {
    name,
    from: start,
    keyOf: () => singletonKey,
    transform: (_start, context) => {
      const item = compute(context);
      return item === undefined ? [] : [item];
    },
    isEqual,
  });
}

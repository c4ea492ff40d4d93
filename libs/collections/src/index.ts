export { changeBetween, type Change, type Equality } from './change.ts';
export { compareText, type Collection, type Index } from './collection.ts';
export { derive, type DeriveOptions } from './derived-collection.ts';
export type { FetchContext } from './fetch-context.ts';
export { Graph } from './graph.ts';
export { join } from './joined-collection.ts';
export { singleton, singletonKey } from './singleton.ts';
export { SourceCollection } from './source-collection.ts';

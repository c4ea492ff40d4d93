/** One change of one item. `key` is the item's key in its collection. */
export type Change<T> =
  | { readonly kind: 'add'; readonly key: string; readonly item: T }
  | { readonly kind: 'update'; readonly key: string; readonly item: T; readonly previous: T }
  | { readonly kind: 'delete'; readonly key: string; readonly previous: T };

/** Whether two versions of an item are the same to those who read it; if so, nothing is told. */
export type Equality<T> = (a: T, b: T) => boolean;

/** The change from one version of an item to another; undefined when there is none. */
export function changeBetween<T>(
  key: string,
  previous: T | undefined,
  item: T | undefined,
  isEqual: Equality<T>,
): Change<T> | undefined {
  if (previous === undefined) return item === undefined ? undefined : { kind: 'add', key, item };
  if (item === undefined) return { kind: 'delete', key, previous };
  return previous === item || isEqual(previous, item) ? undefined : { kind: 'update', key, item, previous };
}

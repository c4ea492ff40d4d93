/** Single fields of objects from an API server, whose schema has been checked there. What is absent is undefined. */
import { isPlainObject, type PlainObject } from '@ambit/kube';

export function fieldAt(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const key of path) at = isPlainObject(at) ? at[key] : undefined;
  return at;
}

export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = fieldAt(value, ...path);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

/** 0 when absent, as the API server leaves out zeros. */
export function numberAt(value: unknown, ...path: readonly string[]): number {
  const found = fieldAt(value, ...path);
  return typeof found === 'number' ? found : 0;
}

/** The maps of a list. */
export function objectsAt(value: unknown, ...path: readonly string[]): readonly PlainObject[] {
  const found = fieldAt(value, ...path);
  return Array.isArray(found) ? found.filter(isPlainObject) : [];
}

/** `namespace/name`, or the name of what has no namespace. */
export function placeOf(object: unknown): string {
  const namespace = textAt(object, 'metadata', 'namespace');
  const name = textAt(object, 'metadata', 'name') ?? '';
  return namespace === undefined ? name : `${namespace}/${name}`;
}

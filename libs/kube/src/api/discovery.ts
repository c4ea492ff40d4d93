import { isPlainObject } from '../object-reader.ts';
import type { ApiKind } from './api-kind.ts';

/** True when an answer of `/apis/<group>/<version>` (undefined for 404) lists the kind. Spec: meta/v1 APIResourceList. */
export function isServed(answer: unknown, kind: ApiKind): boolean {
  const resources = isPlainObject(answer) ? answer['resources'] : undefined;
  return Array.isArray(resources) && resources.some((entry) => isPlainObject(entry) && entry['name'] === kind.plural);
}

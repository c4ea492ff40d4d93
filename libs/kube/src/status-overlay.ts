import { isPlainObject, type PlainObject } from './object-reader.ts';

/**
 * Lays a machine-written part over an object: maps are merged key by key, everything else is replaced, except that
 * entries of `conditions` replace only the entry of the same `type`. Neither input is changed. Fields that say which
 * object it is (apiVersion, kind, metadata.name, metadata.namespace) stay those of the base.
 */
export function applyOverlay(base: PlainObject, overlay: PlainObject): PlainObject {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(overlay)) {
    if (key === 'apiVersion' || key === 'kind') continue;
    const previous = merged.get(key);
    if (key === 'metadata' && isPlainObject(previous) && isPlainObject(value)) {
      const { name: _name, namespace: _namespace, ...rest } = value;
      merged.set(key, mergeMaps(previous, rest));
    } else merged.set(key, mergeValues(key, previous, value));
  }
  return Object.fromEntries(merged);
}

function mergeMaps(base: PlainObject, overlay: PlainObject): PlainObject {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(overlay)) merged.set(key, mergeValues(key, merged.get(key), value));
  return Object.fromEntries(merged);
}

function mergeValues(key: string, base: unknown, overlay: unknown): unknown {
  if (isPlainObject(base) && isPlainObject(overlay)) return mergeMaps(base, overlay);
  if (key === 'conditions' && Array.isArray(base) && Array.isArray(overlay)) {
    const replaced = new Set(overlay.map(conditionType));
    return [...base.filter((condition) => !replaced.has(conditionType(condition))), ...overlay];
  }
  return overlay;
}

function conditionType(condition: unknown): unknown {
  return isPlainObject(condition) ? condition['type'] : undefined;
}

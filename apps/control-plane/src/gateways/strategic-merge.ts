/** Kubernetes' strategic merge of an overlay over a rendered object, as far as workloads, Services and their like need it. */
import { isPlainObject, type PlainObject } from '@ambit/kube';

/** Lists that are merged by a key of their items; all others are replaced. Source: patchMergeKey of the Kubernetes API. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  ephemeralContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  // Of containers, then of Services.
  ports: ['containerPort', 'port'],
  imagePullSecrets: ['name'],
  hostAliases: ['ip'],
  topologySpreadConstraints: ['topologyKey'],
};

const directive = '$patch';

/** A merged copy. `null` removes a field; `$patch: delete` removes a list's item, `$patch: replace` replaces an object. */
export function strategicMerge(base: PlainObject, overlay: PlainObject): PlainObject {
  if (overlay[directive] === 'replace') return withoutDirective(overlay);
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overlay)) {
    if (key === directive) continue;
    if (value === null) delete merged[key];
    else merged[key] = mergeValue(key, base[key], value);
  }
  return merged;
}

function mergeValue(key: string, base: unknown, overlay: unknown): unknown {
  if (isPlainObject(overlay)) return strategicMerge(isPlainObject(base) ? base : {}, overlay);
  if (!Array.isArray(overlay)) return overlay;
  const items: readonly unknown[] = overlay;
  const present: readonly unknown[] = Array.isArray(base) ? base : [];
  const mergeKey = mergeKeys[key]?.find((name) => items.some((item) => isPlainObject(item) && name in item));
  return mergeKey === undefined ? items : mergeList(mergeKey, present, items);
}

/** Present items keep their order; new ones follow. */
function mergeList(mergeKey: string, base: readonly unknown[], overlay: readonly unknown[]): readonly unknown[] {
  const result: unknown[] = [...base];
  for (const item of overlay) {
    if (!isPlainObject(item)) continue;
    const at = result.findIndex((known) => isPlainObject(known) && known[mergeKey] === item[mergeKey]);
    const known = result[at];
    if (item[directive] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at < 0) {
      result.push(withoutDirective(item));
    } else {
      result[at] = strategicMerge(isPlainObject(known) ? known : {}, item);
    }
  }
  return result;
}

function withoutDirective(value: PlainObject): PlainObject {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== directive));
}

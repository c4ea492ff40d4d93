import type { Labels } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/**
 * Which workloads a policy is for. `selector: {}` (no matchLabels) selects nothing, `matchLabels: {}` selects every
 * workload of the namespace.
 */
export interface WorkloadSelector {
  readonly matchLabels: Labels | undefined;
}

/** Reads the field `selector` of a policy's spec. */
export function readSelector(spec: ObjectReader): WorkloadSelector | undefined {
  return spec.object('selector', (selector) => {
    const matchLabels = selector.has('matchLabels') ? selector.stringMap('matchLabels') : undefined;
    for (const [key, value] of Object.entries(matchLabels ?? {})) {
      if (value.includes('*') || key.includes('*'))
        selector.error('matchLabels', `cannot hold a wildcard ("${key}: ${value}")`);
    }
    return { matchLabels };
  });
}

/** True when every selector label is on the object. An empty selector matches everything. */
export function matchesLabels(selector: Labels, labels: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

import type { Labels } from '@ambit/kube';

/**
 * Finding the selectors that match an object without looking at all of them: a selector is indexed under one of its
 * labels, an object asks for each of its own. What is found still has to be compared in full.
 */

/** Index value of a selector. An empty selector gets a value of its own that every object asks for. */
export function selectorValue(namespace: string, selector: Labels): string {
  const [key] = Object.keys(selector).toSorted();
  return key === undefined ? `${namespace}|` : `${namespace}|${key}=${selector[key]}`;
}

/** Index values under which selectors that may match an object are found. */
export function selectorValuesFor(namespace: string, labels: Labels): readonly string[] {
  return [`${namespace}|`, ...Object.entries(labels).map(([key, value]) => `${namespace}|${key}=${value}`)];
}

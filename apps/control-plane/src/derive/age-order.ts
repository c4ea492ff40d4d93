import { compareText } from '@ambit/collections';

/** What decides which of two competing definitions is the older one. */
export interface Age {
  readonly creationTimestamp: string | undefined;
  readonly namespace: string;
  readonly name: string;
}

/** Oldest first. Without a creation time (files have none) an object counts as old; names decide ties. */
export function compareAge(a: Age, b: Age): number {
  return (
    compareText(a.creationTimestamp ?? '', b.creationTimestamp ?? '') ||
    compareText(a.name, b.name) ||
    compareText(a.namespace, b.namespace)
  );
}

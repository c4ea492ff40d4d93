import type { Labels } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { matchesLabels } from './workload-selector.ts';

export const labelOperators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

/** One line of `matchExpressions`. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: (typeof labelOperators)[number];
  readonly values: readonly string[];
}

/** A selector of Kubernetes' own form; everything in it must hold. An empty one matches everything. */
export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelRequirement[];
}

/** Reads a field that holds a `metav1.LabelSelector`. */
export function readLabelSelector(reader: ObjectReader, name: string): LabelSelector | undefined {
  return reader.object(name, (selector) => ({
    matchLabels: selector.stringMap('matchLabels'),
    matchExpressions: selector.objects('matchExpressions', readRequirement),
  }));
}

function readRequirement(reader: ObjectReader): LabelRequirement {
  const requirement: LabelRequirement = {
    key: reader.requiredString('key'),
    operator: reader.choice('operator', labelOperators) ?? 'In',
    values: reader.strings('values'),
  };
  const wantsValues = requirement.operator === 'In' || requirement.operator === 'NotIn';
  if (wantsValues && requirement.values.length === 0)
    reader.error('values', `is required with operator ${requirement.operator}`);
  if (!wantsValues && requirement.values.length > 0)
    reader.error('values', `cannot be given with operator ${requirement.operator}`);
  return requirement;
}

/** True when the labels meet every requirement. Spec: Kubernetes, metav1.LabelSelector. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  return (
    matchesLabels(selector.matchLabels, labels) &&
    selector.matchExpressions.every((requirement) => meetsRequirement(requirement, labels[requirement.key]))
  );
}

function meetsRequirement({ operator, values }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

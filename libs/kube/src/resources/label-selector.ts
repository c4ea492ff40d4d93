import type { Labels } from '../object-meta.ts';
import { isPlainObject, ObjectReader, type ProblemSink } from '../object-reader.ts';
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
  return reader.object(name, readSelectorBody);
}

/** Reads a selector that stands on its own, such as in a setting. Throws with all mistakes; `place` begins each. */
export function parseLabelSelector(value: unknown, place: string): LabelSelector {
  const mistakes: string[] = [];
  const sink: ProblemSink = { problem: (_severity, _code, _path, message) => void mistakes.push(message) };
  if (!isPlainObject(value)) throw new Error(`${place} must be a map with matchLabels or matchExpressions`);
  const reader = new ObjectReader(value, [], sink);
  const selector = readSelectorBody(reader);
  reader.finish();
  if (mistakes.length > 0) throw new Error(mistakes.map((mistake) => `${place}: ${mistake}`).join('; '));
  return selector;
}

function readSelectorBody(selector: ObjectReader): LabelSelector {
  return {
    matchLabels: selector.stringMap('matchLabels'),
    matchExpressions: selector.objects('matchExpressions', readRequirement),
  };
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

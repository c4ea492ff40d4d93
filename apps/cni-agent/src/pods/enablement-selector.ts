/** `AMBIENT_ENABLEMENT_SELECTOR`: which pods belong to the mesh, as a YAML list of selector pairs of which one must match. */
import { AmbitError } from '@ambit/runtime';
import { parse } from 'yaml';
import type { LabelSelector, SelectorExpression, SelectorOperator } from './label-selector.ts';

export interface EnablementSelector {
  readonly podSelector: LabelSelector;
  readonly namespaceSelector: LabelSelector;
}

const MODE_LABEL = 'istio.io/dataplane-mode';
const ANYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };
const AMBIENT: LabelSelector = { matchLabels: { [MODE_LABEL]: 'ambient' }, matchExpressions: [] };
const NOT_OPTED_OUT: LabelSelector = {
  matchLabels: {},
  matchExpressions: [{ key: MODE_LABEL, operator: 'NotIn', values: ['none'] }],
};

/** The pod says so itself; or its namespace says so and the pod does not object. */
export const DEFAULT_SELECTORS: readonly EnablementSelector[] = [
  { podSelector: AMBIENT, namespaceSelector: ANYTHING },
  { podSelector: NOT_OPTED_OUT, namespaceSelector: AMBIENT },
];

const OPERATORS: readonly SelectorOperator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

/** @throws AmbitError `BAD_SELECTOR` naming the part that cannot be read. */
export function parseEnablementSelectors(yamlText: string): readonly EnablementSelector[] {
  const document: unknown = parse(yamlText);
  if (!Array.isArray(document)) throw bad('must be a list');
  return document.map((entry: unknown, index) => {
    const fields = readMap(entry, `[${index}]`);
    rejectUnknown(fields, ['podSelector', 'namespaceSelector'], `[${index}]`);
    return {
      podSelector: readSelector(fields.get('podSelector'), `[${index}].podSelector`),
      namespaceSelector: readSelector(fields.get('namespaceSelector'), `[${index}].namespaceSelector`),
    };
  });
}

function readSelector(value: unknown, place: string): LabelSelector {
  if (value === undefined || value === null) return ANYTHING;
  const fields = readMap(value, place);
  rejectUnknown(fields, ['matchLabels', 'matchExpressions'], place);
  const labels = readMap(fields.get('matchLabels') ?? {}, `${place}.matchLabels`);
  const expressions: unknown = fields.get('matchExpressions') ?? [];
  if (!Array.isArray(expressions)) throw bad(`${place}.matchExpressions must be a list`);
  return {
    matchLabels: Object.fromEntries(
      [...labels].map(([key, label]) => [key, readText(label, `${place}.matchLabels.${key}`)]),
    ),
    matchExpressions: expressions.map((expression: unknown, index) =>
      readExpression(expression, `${place}.matchExpressions[${index}]`),
    ),
  };
}

function readExpression(value: unknown, place: string): SelectorExpression {
  const fields = readMap(value, place);
  rejectUnknown(fields, ['key', 'operator', 'values'], place);
  const operator = OPERATORS.find((name) => name === fields.get('operator'));
  if (operator === undefined) throw bad(`${place}.operator must be one of ${OPERATORS.join(', ')}`);
  const values: unknown = fields.get('values') ?? [];
  if (!Array.isArray(values)) throw bad(`${place}.values must be a list`);
  return {
    key: readText(fields.get('key'), `${place}.key`),
    operator,
    values: values.map((one: unknown) => readText(one, `${place}.values`)),
  };
}

function readMap(value: unknown, place: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(`${place} must be a map`);
  return new Map(Object.entries(value));
}

function readText(value: unknown, place: string): string {
  if (typeof value !== 'string') throw bad(`${place} must be text`);
  return value;
}

function rejectUnknown(fields: ReadonlyMap<string, unknown>, known: readonly string[], place: string): void {
  for (const key of fields.keys()) if (!known.includes(key)) throw bad(`${place}.${key} is not known`);
}

function bad(message: string): AmbitError {
  return new AmbitError('BAD_SELECTOR', `enablement selector: ${message}`);
}

/** `AMBIENT_ENABLEMENT_SELECTOR`: which pods belong to the mesh, as a YAML list of selector pairs of which one must match. */
import { type LabelSelector, parseLabelSelector } from '@ambit/kube';
import { AmbitError, toAmbitError } from '@ambit/runtime';

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

/** Rejects with AmbitError `BAD_SELECTOR` naming the part that cannot be read. */
export async function parseEnablementSelectors(yamlText: string): Promise<readonly EnablementSelector[]> {
  // Loaded when used: the default needs no YAML parser.
  const { parse } = await import('yaml');
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
  try {
    return parseLabelSelector(value, place);
  } catch (error) {
    throw bad(toAmbitError(error).message);
  }
}

function readMap(value: unknown, place: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(`${place} must be a map`);
  return new Map(Object.entries(value));
}

function rejectUnknown(fields: ReadonlyMap<string, unknown>, known: readonly string[], place: string): void {
  for (const key of fields.keys()) if (!known.includes(key)) throw bad(`${place}.${key} is not known`);
}

function bad(message: string): AmbitError {
  return new AmbitError('BAD_SELECTOR', `enablement selector: ${message}`);
}

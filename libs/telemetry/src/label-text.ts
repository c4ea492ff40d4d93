/** Label values as Prometheus text. */
import { OVERFLOW_VALUE } from './label-schema.ts';

/**
 * Name of a schema's label whose value is not one: labels that only some series have, as `renderExtraLabels` makes them. Names
 * that begin so are Prometheus' own, so that no label of a user's meets it.
 */
export const extraLabels = '__extra__';

const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Whether users may give a label this name: Prometheus' grammar, and nothing that is kept for its own use. */
export function isLabelName(name: string): boolean {
  return labelName.test(name) && !name.startsWith('__') && name !== 'le' && name.length <= 128;
}

/** The value of `extraLabels`. Throws RangeError for a name that is none. */
export function renderExtraLabels(labels: readonly (readonly [name: string, value: string])[]): string {
  const wrong = labels.find(([name]) => !isLabelName(name));
  if (wrong !== undefined) throw new RangeError(`not usable as a label name: ${wrong[0]}`);
  return renderLabels(
    labels.map(([name]) => name),
    labels.map(([, value]) => value),
  );
}

/** `name="value",...` with backslash, quote and line feed escaped; no braces. Missing values render empty. `extraLabels`: as they are. */
export function renderLabels(names: readonly string[], values: readonly string[]): string {
  let text = '';
  for (let index = 0; index < names.length; index += 1) {
    if (names[index] === extraLabels) {
      const extra = values[index] ?? '';
      if (extra !== '' && extra !== OVERFLOW_VALUE) text += text === '' ? extra : `,${extra}`;
      continue;
    }
    if (text !== '') text += ',';
    text += `${names[index] ?? ''}="${escapeLabelValue(values[index] ?? '')}"`;
  }
  return text;
}

/** Spec: Prometheus text format, `\` `"` and line feed are escaped in label values. */
export function escapeLabelValue(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

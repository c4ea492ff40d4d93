/** Label values as Prometheus text. */

/** `name="value",...` with backslash, quote and line feed escaped; no braces. Missing values render empty. */
export function renderLabels(names: readonly string[], values: readonly string[]): string {
  let text = '';
  for (let index = 0; index < names.length; index += 1) {
    if (index > 0) text += ',';
    text += `${names[index] ?? ''}="${escapeLabelValue(values[index] ?? '')}"`;
  }
  return text;
}

/** Spec: Prometheus text format, `\` `"` and line feed are escaped in label values. */
export function escapeLabelValue(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/**
 * Where something was written. Lines and columns count from 1; `file` is as the source was told to open it. An object of
 * an API server has no lines: they are 0, and `file` is its kind and name.
 */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Keys and list positions that lead from the root of a document to a value. */
export type Path = readonly (string | number)[];

/** `file:line:column`, the form editors and terminals can jump to; only `file` for what has no lines. */
export function formatLocation(location: Location): string {
  if (location.line === 0) return location.file;
  return `${location.file}:${location.line}:${location.column}`;
}

/** `spec.ports[0].name`, the form used in messages. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

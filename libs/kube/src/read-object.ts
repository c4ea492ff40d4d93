/** One object on its own, for whoever has to say at once what is wrong with it. */
import { formatPath } from './location.ts';
import { isPlainObject, type ProblemSink } from './object-reader.ts';
import { identifyObject, readResource } from './read-resource.ts';
import type { Resource } from './resource.ts';

/**
 * - `read`: the object as a record; `warnings` may hold something all the same
 * - `invalid`: it cannot be put in force; one sentence for each mistake
 * - `foreign`: of a kind or version that is not used here
 */
export type ObjectReading =
  | { readonly kind: 'read'; readonly resource: Resource; readonly warnings: readonly string[] }
  | { readonly kind: 'invalid'; readonly errors: readonly string[]; readonly warnings: readonly string[] }
  | { readonly kind: 'foreign' };

/** Reads an object as an API server hands it over. Unknown fields are the business of its schema. `label` names its place. */
export function readObject(value: unknown, label: string): ObjectReading {
  const errors: string[] = [];
  const warnings: string[] = [];
  const sink: ProblemSink = {
    allowsUnknownFields: true,
    problem: (severity, _code, _path, message) => void (severity === 'error' ? errors : warnings).push(message),
  };
  const found = identifyObject(value, sink);
  if (found.kind === 'foreign') return { kind: 'foreign' };
  if (found.kind !== 'known' || !isPlainObject(value)) return { kind: 'invalid', errors, warnings };
  const locate = (path: Parameters<ProblemSink['problem']>[2]) => ({
    file: path.length === 0 ? label : `${label} ${formatPath(path)}`,
    line: 0,
    column: 0,
  });
  const resource = readResource(found.identity.kind, value, locate, sink);
  return errors.length > 0 ? { kind: 'invalid', errors, warnings } : { kind: 'read', resource, warnings };
}

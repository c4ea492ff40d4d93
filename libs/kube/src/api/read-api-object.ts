/** From the JSON of an API server to a typed record that keeps only what the mesh uses. */
import { isDeepStrictEqual } from 'node:util';
import { toAmbitError } from '@ambit/runtime';
import { formatPath, type Path } from '../location.ts';
import { isPlainObject, type PlainObject, type ProblemSink } from '../object-reader.ts';
import { readResource } from '../read-resource.ts';
import type { SourceReport } from '../report.ts';
import type { Resource, ResourceKind } from '../resource.ts';
import type { SharedParts } from './shared-parts.ts';
import { objectKey } from './watch-event.ts';

/** An object that is not entirely in force as written, or that somebody should look at. */
export interface FlawedObject {
  readonly kind: 'flawed';
  /** The last good version; undefined when there was none. */
  readonly resource: Resource | undefined;
  readonly reports: readonly SourceReport[];
}

/** What is kept of an object. */
export type KeptObject = Resource | FlawedObject;

/** The record in force. */
export function resourceOf(kept: KeptObject | undefined): Resource | undefined {
  return kept?.kind === 'flawed' ? kept.resource : kept;
}

/**
 * Reads one object. Unknown fields are nobody's concern: the API server has checked the schema. A change of nothing that
 * is kept gives `previous` back; what cannot be used leaves the last good version in force.
 */
export function readApiObject(
  kind: ResourceKind,
  object: PlainObject,
  previous: KeptObject | undefined,
  parts: SharedParts,
): KeptObject {
  const origin = { file: `${kind} ${objectKey(object) ?? ''}`, line: 0, column: 0 };
  const problems: (SourceReport & { readonly path: Path })[] = [];
  const sink: ProblemSink = {
    allowsUnknownFields: true,
    problem: (severity, code, path, message) => problems.push({ severity, code, location: origin, message, path }),
  };
  const locate = (path: Path): typeof origin =>
    path.length === 0 ? origin : { ...origin, file: `${origin.file} ${formatPath(path)}` };
  const before = resourceOf(previous);
  let resource: Resource | undefined;
  try {
    resource = parts.share(readResource(kind, withoutBallast(kind, object), locate, sink));
  } catch (cause) {
    // One object that nobody foresaw must not hold up all others of its kind.
    sink.problem('error', 'invalid', [], `this object cannot be read: ${toAmbitError(cause).message}`);
  }
  if (problems.length === 0 && resource !== undefined) {
    return before !== undefined && before === previous && isDeepStrictEqual(before, resource) ? before : resource;
  }
  const isValid = problems.every(({ severity }) => severity !== 'error');
  const inForce = isValid ? resource : before;
  const reports = problems.map(({ path: _path, ...problem }) => ({
    ...problem,
    message: problem.severity === 'error' ? `${problem.message}; ${consequence(inForce)}` : problem.message,
  }));
  return { kind: 'flawed', resource: inForce, reports };
}

function consequence(inForce: Resource | undefined): string {
  return inForce === undefined ? 'this object is not in force' : 'the last good version of this object stays in force';
}

/** Annotations of pods that mean something to the mesh; a pod may carry kilobytes of others. */
const POD_ANNOTATION = /istio\.io\/|ambit/;
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function withoutBallast(kind: ResourceKind, object: PlainObject): PlainObject {
  const { metadata } = object;
  const annotations = isPlainObject(metadata) ? metadata['annotations'] : undefined;
  if (!isPlainObject(metadata) || !isPlainObject(annotations)) return object;
  const kept = Object.entries(annotations).filter(
    ([key]) => key !== LAST_APPLIED && (kind !== 'Pod' || POD_ANNOTATION.test(key)),
  );
  return { ...object, metadata: { ...metadata, annotations: Object.fromEntries(kept) } };
}

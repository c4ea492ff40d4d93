import type { FileVersion, IdentifiedObject } from './file-version.ts';
import { formatLocation, type Path } from './location.ts';
import { isPlainObject, type PlainObject, type ProblemSink } from './object-reader.ts';
import { readResource } from './read-resource.ts';
import type { SourceReport } from './report.ts';
import type { Resource } from './resource.ts';
import { applyOverlay } from './status-overlay.ts';

interface Reading {
  readonly overlays: readonly IdentifiedObject[];
  /** Undefined when validation failed. */
  readonly resource: Resource | undefined;
  readonly problems: readonly SourceReport[];
}

/**
 * Turns the objects of many files into resources in force: status overlays are laid over manifests, the first of two
 * definitions counts, and an object that fails validation leaves its last good version in force. Readings are
 * remembered, so an unchanged object gives the same record again.
 */
export class ObjectCatalogue {
  readonly #readings = new WeakMap<IdentifiedObject, Reading>();
  #lastGood: ReadonlyMap<string, Resource> = new Map();

  /** `manifests` and `overlays` in order of precedence: the first manifest of a name wins, the last overlay of a field. */
  combine(
    manifests: readonly FileVersion[],
    overlays: readonly FileVersion[],
  ): { readonly resources: Iterable<Resource>; readonly reports: readonly SourceReport[] } {
    const reports = [...manifests, ...overlays].flatMap((version) => version.reports);
    const overlaysByKey = Map.groupBy(
      overlays.flatMap((version) => version.objects),
      keyOf,
    );
    const resources = new Map<string, Resource>();
    const defined = new Map<string, IdentifiedObject>();
    for (const object of manifests.flatMap((version) => version.objects)) {
      const key = keyOf(object);
      const first = defined.get(key);
      if (first !== undefined) {
        reports.push(duplicateReport(object, first));
        continue;
      }
      defined.set(key, object);
      const reading = this.#read(object, overlaysByKey.get(key) ?? []);
      const resource = reading.resource ?? this.#lastGood.get(key);
      reports.push(...reading.problems.map((problem) => withConsequence(problem, resource !== undefined)));
      if (resource !== undefined) resources.set(key, resource);
    }
    this.#lastGood = resources;
    return { resources: resources.values(), reports };
  }

  #read(object: IdentifiedObject, overlays: readonly IdentifiedObject[]): Reading {
    const known = this.#readings.get(object);
    if (known !== undefined && isSameList(known.overlays, overlays)) return known;
    const locate = (path: Path) => (overlays.findLast((overlay) => holds(overlay.value, path)) ?? object).locate(path);
    const problems: SourceReport[] = [];
    const sink: ProblemSink = {
      problem: (severity, code, path, message) => problems.push({ severity, code, location: locate(path), message }),
    };
    const value = overlays.reduce((base: PlainObject, overlay) => applyOverlay(base, overlay.value), object.value);
    const resource = readResource(
      object.identity.kind,
      value,
      (path) => (path.length === 0 ? object.locate(path) : locate(path)),
      sink,
    );
    const isValid = problems.every((problem) => problem.severity !== 'error');
    const reading: Reading = { overlays, resource: isValid ? resource : undefined, problems };
    this.#readings.set(object, reading);
    return reading;
  }
}

function keyOf(object: IdentifiedObject): string {
  return `${object.identity.kind} ${object.identity.name}`;
}

function duplicateReport(object: IdentifiedObject, first: IdentifiedObject): SourceReport {
  const place = formatLocation(first.locate([]));
  const message = `${keyOf(object)} is already defined at ${place}; that one counts, remove or rename this one`;
  return { severity: 'error', code: 'duplicate', location: object.locate([]), message };
}

function withConsequence(problem: SourceReport, isInForce: boolean): SourceReport {
  if (problem.severity !== 'error') return problem;
  const consequence = isInForce ? 'the last good version of this object stays in force' : 'this object is not in force';
  return { ...problem, message: `${problem.message}; ${consequence}` };
}

function holds(value: unknown, path: Path): boolean {
  let at: unknown = value;
  for (const step of path) {
    if (Array.isArray(at) && typeof step === 'number') at = at[step];
    else if (isPlainObject(at) && Object.hasOwn(at, step)) at = at[step];
    else return false;
  }
  return path.length > 0 && at !== undefined;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

import { compareReports, type SourceReport } from './report.ts';
import { byName, isOfKind, resourceKey, type Resource, type ResourceKind, type ResourceKinds } from './resource.ts';
import type { ResourceEvent, ResourceSource } from './resource-source.ts';

/**
 * Resources in memory that can be replaced as a whole; the source behind tests, benchmarks and the folder source.
 * Unchanged is what is the same record (`===`): whoever fills it keeps records of unchanged objects.
 */
export class ResourceTable implements ResourceSource {
  #byKey: ReadonlyMap<string, Resource> = new Map();
  #reports: readonly SourceReport[] = [];
  readonly #handlers = new Set<(events: readonly ResourceEvent[]) => void>();
  readonly #reportHandlers = new Set<() => void>();

  constructor(resources: Iterable<Resource> = []) {
    this.replace(resources);
  }

  list<K extends ResourceKind>(kind: K): readonly ResourceKinds[K][] {
    const found: ResourceKinds[K][] = [];
    for (const resource of this.#byKey.values()) if (isOfKind(resource, kind)) found.push(resource);
    return found.sort(byName);
  }

  /** The resource of a key as `resourceKey` gives it. */
  get(key: string): Resource | undefined {
    return this.#byKey.get(key);
  }

  reports(): readonly SourceReport[] {
    return this.#reports;
  }

  subscribe(handler: (events: readonly ResourceEvent[]) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  onReportsChanged(handler: () => void): Disposable {
    this.#reportHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#reportHandlers.delete(handler) };
  }

  /** Puts exactly these resources in force and tells subscribers the difference, as one batch. */
  replace(resources: Iterable<Resource>, reports: readonly SourceReport[] = []): void {
    const next = new Map<string, Resource>();
    for (const resource of resources) next.set(resourceKey(resource), resource);
    const events = difference(this.#byKey, next);
    this.#byKey = next;
    const sorted = reports.toSorted(compareReports);
    const reportsChanged = !haveSameReports(this.#reports, sorted);
    this.#reports = sorted;
    if (events.length > 0) for (const handler of this.#handlers) handler(events);
    if (reportsChanged) for (const handler of this.#reportHandlers) handler();
  }
}

function difference(before: ReadonlyMap<string, Resource>, after: ReadonlyMap<string, Resource>): ResourceEvent[] {
  const events: ResourceEvent[] = [];
  for (const [key, previous] of before) if (!after.has(key)) events.push({ kind: 'delete', previous });
  for (const [key, resource] of after) {
    const previous = before.get(key);
    if (previous === undefined) events.push({ kind: 'add', resource });
    else if (previous !== resource) events.push({ kind: 'update', resource, previous });
  }
  return events;
}

function haveSameReports(a: readonly SourceReport[], b: readonly SourceReport[]): boolean {
  return a.length === b.length && a.every((report, index) => isSameReport(report, b[index]));
}

function isSameReport(a: SourceReport, b: SourceReport | undefined): boolean {
  return b !== undefined && a.severity === b.severity && a.code === b.code && compareReports(a, b) === 0;
}

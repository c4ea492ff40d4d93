import { type Clock, systemClock, TaskScope } from '@ambit/runtime';
import { compareReports, type SourceReport } from '../report.ts';
import { byName, isOfKind, type ResourceKind, type ResourceKinds } from '../resource.ts';
import type { ResourceEvent, ResourceSource } from '../resource-source.ts';
import { apiKinds, rawKinds } from './api-kind.ts';
import type { Selection } from './kube-client.ts';
import type { KubeError } from './kube-error.ts';
import { type FlawedObject, type KeptObject, readApiObject, resourceOf } from './read-api-object.ts';
import type { Reflected } from './reflected-table.ts';
import { Reflector, type ReflectorClient, type ReflectorOptions, type ReflectorStatus } from './reflector.ts';
import { SharedParts } from './shared-parts.ts';

/** A kind of which only some objects are wanted. */
export interface KindSelection extends Selection {
  readonly kind: ResourceKind;
}

/** Where the source tells what it does; a pino logger fits. */
export interface ApiLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ApiServerSourceOptions {
  readonly client: ReflectorClient;
  /** Each kind once. */
  readonly kinds: readonly (ResourceKind | KindSelection)[];
  /** Changes that come within this time are told as one batch, milliseconds. Default 5. */
  readonly batchMs?: number;
  readonly log?: ApiLog;
  readonly clock?: Clock;
  /** For tests: shorter times of the reflectors. */
  readonly times?: Pick<ReflectorOptions<unknown>, 'inactivityMs' | 'watchMs' | 'missingPollMs' | 'backoff'>;
}

/** Groups that every API server serves; kinds of other groups come with CRDs. */
const BUILT_IN: ReadonlySet<string> = new Set(['', 'discovery.k8s.io']);

/** Kinds of which the mesh uses only metadata. */
const METADATA_ONLY: ReadonlySet<ResourceKind> = new Set<ResourceKind>(['Namespace', 'ServiceAccount']);

/**
 * The objects of an API server as a source. `start` resolves when all kinds were listed once; the first sync is one
 * batch, and later each batch holds what changed within a few milliseconds. A connection that fails leaves the last
 * state in force. A kind whose CRD is not installed counts as empty, and is followed as soon as it appears.
 */
export class ApiServerSource implements ResourceSource, AsyncDisposable {
  readonly #options: ApiServerSourceOptions;
  readonly #clock: Clock;
  readonly #parts = new SharedParts();
  readonly #tasks = new TaskScope();
  readonly #reflectors = new Map<ResourceKind, Reflector<KeptObject>>();
  readonly #flawed = new Map<string, FlawedObject>();
  readonly #handlers = new Set<(events: readonly ResourceEvent[]) => void>();
  readonly #reportHandlers = new Set<() => void>();
  #pending: ResourceEvent[] = [];
  #timer: Disposable | undefined;
  #isSynced = false;
  #reportsChanged = false;

  constructor(options: ApiServerSourceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    for (const entry of options.kinds) {
      const { kind, ...selection }: KindSelection = typeof entry === 'string' ? { kind: entry } : entry;
      this.#reflectors.set(kind, this.#reflector(kind, selection));
    }
  }

  /** Resolves after the first sync. Rejects with the signal's reason; disposing ends it too. */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const stop = (reason: unknown): void => reject(reason);
    const signals = [this.#tasks.signal, ...(options.signal === undefined ? [] : [options.signal])];
    for (const signal of signals) {
      if (signal.aborted) stop(signal.reason);
      signal.addEventListener('abort', () => stop(signal.reason), { once: true });
    }
    for (const [kind, reflector] of this.#reflectors) this.#tasks.run(kind, (signal) => reflector.run(signal));
    if (this.#hasCustomKinds()) this.#tasks.run('crds', (signal) => this.#watchDefinitions(signal));
    await Promise.race([Promise.all([...this.#reflectors.values()].map((reflector) => reflector.synced)), stopped]);
    this.#isSynced = true;
    for (const reflector of this.#reflectors.values()) {
      for (const kept of reflector.values()) {
        const resource = resourceOf(kept);
        if (resource !== undefined) this.#pending.push({ kind: 'add', resource });
      }
    }
    this.#flush();
  }

  list<K extends ResourceKind>(kind: K): readonly ResourceKinds[K][] {
    const found: ResourceKinds[K][] = [];
    if (!this.#isSynced) return found;
    for (const kept of this.#reflectors.get(kind)?.values() ?? []) {
      const resource = resourceOf(kept);
      if (resource !== undefined && isOfKind(resource, kind)) found.push(resource);
    }
    return found.sort(byName);
  }

  /** One object in force, by `namespace/name` (or name); undefined when there is none. */
  get<K extends ResourceKind>(kind: K, name: string): ResourceKinds[K] | undefined {
    const resource = resourceOf(this.#reflectors.get(kind)?.get(name));
    return this.#isSynced && resource !== undefined && isOfKind(resource, kind) ? resource : undefined;
  }

  subscribe(handler: (events: readonly ResourceEvent[]) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  reports(): readonly SourceReport[] {
    if (!this.#isSynced) return [];
    return [...this.#flawed.values()].flatMap(({ reports }) => reports).sort(compareReports);
  }

  onReportsChanged(handler: () => void): Disposable {
    this.#reportHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#reportHandlers.delete(handler) };
  }

  /** State and counts of each kind, for metrics and debugging. */
  status(): ReadonlyMap<ResourceKind, ReflectorStatus> {
    return new Map([...this.#reflectors].map(([kind, reflector]) => [kind, reflector.status]));
  }

  /** Stops following; the last state stays readable. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#handlers.clear();
    this.#reportHandlers.clear();
    await this.#tasks[Symbol.asyncDispose]();
  }

  #reflector(kind: ResourceKind, selection: Selection): Reflector<KeptObject> {
    const { client, times, log } = this.#options;
    return new Reflector<KeptObject>({
      ...times,
      client,
      clock: this.#clock,
      kind: apiKinds[kind],
      selection: { ...selection, metadataOnly: METADATA_ONLY.has(kind), meshFieldsOnly: true },
      read: (object, previous) => readApiObject(kind, object, previous, this.#parts),
      onChanges: (changes) => this.#changed(kind, changes),
      onError: (error) => log?.warn({ kind, code: error.code, reason: error.message }, 'kind not up to date'),
    });
  }

  #hasCustomKinds(): boolean {
    return [...this.#reflectors.keys()].some((kind) => !BUILT_IN.has(apiKinds[kind].group));
  }

  /** A definition that appears or changes may make a missing kind available. */
  #watchDefinitions(signal: AbortSignal): Promise<never> {
    const { client, times, log } = this.#options;
    const byDefinition = new Map(
      [...this.#reflectors].map(([kind, reflector]) => [`${apiKinds[kind].plural}.${apiKinds[kind].group}`, reflector]),
    );
    return new Reflector<object>({
      ...times,
      client,
      clock: this.#clock,
      kind: rawKinds.CustomResourceDefinition,
      selection: { metadataOnly: true },
      // A new value each time: every change of a definition is worth a look.
      read: () => ({}),
      onChanges: (changes) => {
        for (const { key } of changes) byDefinition.get(key)?.wake();
      },
      onError: (error: KubeError) => log?.debug({ code: error.code, reason: error.message }, 'CRDs not up to date'),
    }).run(signal);
  }

  #changed(kind: ResourceKind, changes: readonly Reflected<KeptObject>[]): void {
    for (const change of changes) {
      this.#noteFlaws(`${kind} ${change.key}`, change);
      const resource = change.kind === 'set' ? resourceOf(change.value) : undefined;
      const previous = resourceOf(change.previous);
      if (resource === previous || !this.#isSynced) continue;
      if (resource === undefined) {
        if (previous !== undefined) this.#pending.push({ kind: 'delete', previous });
      } else if (previous === undefined) this.#pending.push({ kind: 'add', resource });
      else this.#pending.push({ kind: 'update', resource, previous });
    }
    if (!this.#isSynced || this.#tasks.signal.aborted) return;
    this.#timer ??= this.#clock.after(this.#options.batchMs ?? 5, () => this.#flush());
  }

  #noteFlaws(key: string, change: Reflected<KeptObject>): void {
    if (change.kind === 'set' && change.value.kind === 'flawed') this.#flawed.set(key, change.value);
    else if (!this.#flawed.delete(key)) return;
    this.#reportsChanged = true;
  }

  #flush(): void {
    this.#timer = undefined;
    const events = this.#pending;
    this.#pending = [];
    if (events.length > 0) for (const handler of this.#handlers) handler(events);
    if (!this.#reportsChanged) return;
    this.#reportsChanged = false;
    for (const handler of this.#reportHandlers) handler();
  }
}

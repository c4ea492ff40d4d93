/**
 * Keeps one ConfigMap of every namespace as it has to be: new namespaces get it at once, altered and deleted ones are
 * repaired, new content goes everywhere. The leader runs one of each kind for each of its terms.
 */
import { type KubeClient, Reflector, apiKinds, rawKinds } from '@ambit/kube';
import { type AmbitError, type Clock, TaskScope, toAmbitError } from '@ambit/runtime';
import { type PublishedMap, readWantingNamespace } from './published-map.ts';

/** What it works with. */
export interface ConfigMapDistributionOptions {
  readonly client: Pick<KubeClient, 'watch' | 'listPage' | 'getPath' | 'apply'>;
  readonly clock: Clock;
  /** Label selector of the namespaces; undefined: all. */
  readonly selector: string | undefined;
  readonly map: PublishedMap;
  readonly onWritten: (namespace: string) => void;
  /** Hears of each failed attempt; it is repeated. `namespace` is empty when the objects cannot be watched. */
  readonly onError: (namespace: string, error: AmbitError) => void;
}

interface Attempts {
  readonly count: number;
  readonly lastMs: number;
}

const FIELD_MANAGER = 'ambit-ca';
const PARALLEL = 16;
/** Somebody else who writes the same ConfigMap is answered ever more slowly, not with a duel. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** Attempts this far apart have nothing to do with each other. */
const CALM_MS = 60_000;

export class ConfigMapDistribution {
  readonly #options: ConfigMapDistributionOptions;
  readonly #namespaces: Reflector<string | undefined>;
  readonly #maps: Reflector<{ readonly digest: string }>;
  /** What this replica wrote and the watch has not told yet, by namespace. */
  readonly #written = new Map<string, string>();
  readonly #attempts = new Map<string, Attempts>();
  #isSynced = false;
  #wake: () => void = () => undefined;

  constructor(options: ConfigMapDistributionOptions) {
    const { client, clock, map } = options;
    this.#options = options;
    const onError = (error: AmbitError): void => options.onError('', error);
    this.#namespaces = new Reflector({
      client,
      clock,
      kind: apiKinds.Namespace,
      selection: { metadataOnly: true, labelSelector: options.selector },
      read: readWantingNamespace,
      onChanges: (changes) => {
        for (const { kind, key } of changes) if (kind === 'delete') this.#forget(key);
        this.#wake();
      },
      onError,
    });
    this.#maps = new Reflector({
      client,
      clock,
      kind: rawKinds.ConfigMap,
      selection: { fieldSelector: `metadata.name=${map.name}` },
      // A new record each time: a rival who writes what he wrote before is to be noticed too.
      read: (object) => ({ digest: map.digestOf(object) }),
      onChanges: (changes) => {
        for (const { key } of changes) this.#written.delete(key.slice(0, key.indexOf('/')));
        this.#wake();
      },
      onError,
    });
  }

  /** True if every namespace that wants it has the content of this moment. */
  get isComplete(): boolean {
    return this.#isSynced && this.#missing().length === 0;
  }

  /** To be called when the map has new content. */
  changed(): void {
    this.#wake();
  }

  /** Works until `signal` is aborted; then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    await using tasks = new TaskScope({ signal });
    tasks.run('namespaces', (ending) => this.#namespaces.run(ending));
    tasks.run('config maps', (ending) => this.#maps.run(ending));
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([ended, Promise.all([this.#namespaces.synced, this.#maps.synced])]);
    this.#isSynced = true;
    while (!signal.aborted) {
      const nowMs = this.#options.clock.nowMs();
      const missing = this.#missing();
      const due = missing.filter((namespace) => this.#dueAtMs(namespace) <= nowMs).slice(0, PARALLEL);
      if (due.length > 0) await Promise.all(due.map((namespace) => this.#write(namespace, signal)));
      else await this.#pause(Math.min(CALM_MS, ...missing.map((one) => this.#dueAtMs(one) - nowMs)), signal);
    }
  }

  #forget(namespace: string): void {
    this.#written.delete(namespace);
    this.#attempts.delete(namespace);
  }

  #missing(): readonly string[] {
    const { map } = this.#options;
    const wanted = map.content();
    const missing: string[] = [];
    if (wanted === undefined) return missing;
    for (const namespace of this.#namespaces.values()) {
      if (namespace === undefined) continue;
      const present = this.#written.get(namespace) ?? this.#maps.get(`${namespace}/${map.name}`)?.digest;
      if (present !== wanted.digest) missing.push(namespace);
    }
    return missing;
  }

  #dueAtMs(namespace: string): number {
    const attempts = this.#attempts.get(namespace);
    if (attempts === undefined) return 0;
    return attempts.lastMs + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts.count - 1));
  }

  async #write(namespace: string, signal: AbortSignal): Promise<void> {
    const { client, clock, map, onWritten, onError } = this.#options;
    const nowMs = clock.nowMs();
    const before = this.#attempts.get(namespace);
    const isCalm = before === undefined || nowMs - before.lastMs > CALM_MS;
    this.#attempts.set(namespace, { count: isCalm ? 1 : before.count + 1, lastMs: nowMs });
    const wanted = map.content();
    if (wanted === undefined) return;
    const { object, digest } = wanted;
    try {
      const ref = { kind: rawKinds.ConfigMap, namespace, name: map.name };
      await client.apply(ref, object, { fieldManager: FIELD_MANAGER, force: true, signal });
      this.#written.set(namespace, digest);
      onWritten(namespace);
    } catch (cause) {
      if (!signal.aborted) onError(namespace, toAmbitError(cause));
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#options.clock.after(ms, resolve);
    this.#wake = resolve;
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (!signal.aborted) await promise;
    this.#wake = () => undefined;
  }
}

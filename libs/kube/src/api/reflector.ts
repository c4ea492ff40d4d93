/**
 * Follows all objects of one kind: a list, then a watch, resumed where it ended, begun anew when the API server has
 * forgotten where that was. What is known stays in force whatever happens to the connection; only a complete list, a
 * deletion, or the disappearance of the kind itself takes something away.
 * Spec: Kubernetes API concepts (efficient detection of changes, streaming lists, bookmarks).
 */
import { Backoff, type Clock, delay, systemClock } from '@ambit/runtime';
import type { PlainObject } from '../object-reader.ts';
import { type ApiKind, versionPath } from './api-kind.ts';
import { isServed } from './discovery.ts';
import type { KubeClient, Selection } from './kube-client.ts';
import { KubeError, toKubeError } from './kube-error.ts';
import { type ReadObject, type Reflected, ReflectedTable } from './reflected-table.ts';
import { readWatchEvent, type WatchEvent } from './watch-event.ts';

/** The part of `KubeClient` that is used. */
export type ReflectorClient = Pick<KubeClient, 'watch' | 'listPage' | 'getPath'>;

export interface ReflectorOptions<T> {
  readonly client: ReflectorClient;
  readonly kind: ApiKind;
  readonly selection?: Selection;
  readonly read: ReadObject<T>;
  /** Hears every difference, in order; a list comes as one batch. Must not throw. */
  readonly onChanges: (changes: readonly Reflected<T>[]) => void;
  /** Hears of each failed attempt; the reflector goes on by itself. */
  readonly onError?: (error: KubeError) => void;
  /** Without a line from the server for this long a watch is given up, milliseconds. Default 150,000: bookmarks come each minute. */
  readonly inactivityMs?: number;
  /** Shortest life of a watch; the longest is twice that, at random. Default 300,000. */
  readonly watchMs?: number;
  /** Longest time between two looks for a kind that is not served, milliseconds. Default 30,000. */
  readonly missingPollMs?: number;
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * - `listing`: no complete list yet, or a new one is under way
 * - `watching`: up to date as far as the API server tells
 * - `missing`: the API server does not serve the kind (its CRD is not installed)
 * - `broken`: the last attempt failed; the last state stays in force
 */
export type ReflectorState = 'listing' | 'watching' | 'missing' | 'broken';

/** Counts since the start, and the state. */
export interface ReflectorStatus {
  readonly state: ReflectorState;
  readonly objects: number;
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  readonly failures: number;
  readonly lastError: string;
}

/** A watch that ends sooner than this without an event counts as failed. */
const SHORT_WATCH_MS = 1_000;
const PAGE = 500;

export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #table: ReflectedTable<T>;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #missing: Backoff;
  readonly #what: string;
  readonly #synced = Promise.withResolvers<void>();
  readonly #counts = { lists: 0, watches: 0, events: 0, failures: 0 };
  #state: ReflectorState = 'listing';
  #lastError = '';
  /** Where to go on; undefined: a list is needed. */
  #resourceVersion: string | undefined;
  #streamsLists = true;
  #wake: () => void = () => undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#table = new ReflectedTable(options.read);
    this.#clock = options.clock ?? systemClock;
    const { random = Math.random, backoff = { initialMs: 200, maxMs: 10_000 } } = options;
    this.#backoff = new Backoff({ ...backoff, jitter: 0.5, random });
    const { missingPollMs = 30_000 } = options;
    this.#missing = new Backoff({ initialMs: Math.min(200, missingPollMs), maxMs: missingPollMs, jitter: 0.5, random });
    this.#what = `watch of ${options.kind.plural}`;
  }

  /** Resolves when the first list is complete, or when the kind is known to be missing. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get status(): ReflectorStatus {
    return { state: this.#state, objects: this.#table.size, ...this.#counts, lastError: this.#lastError };
  }

  get(key: string): T | undefined {
    return this.#table.get(key);
  }

  values(): Iterable<T> {
    return this.#table.values();
  }

  /** Ends a wait for another attempt now: something suggests that it would succeed. */
  wake(): void {
    this.#missing.reset();
    this.#wake();
  }

  /** Follows the kind until `signal` is aborted. Rejects with the signal's reason, with nothing else. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      try {
        await this.#attempt(signal);
      } catch (cause) {
        signal.throwIfAborted();
        await this.#failed(toKubeError(cause, this.#what), signal);
      }
      signal.throwIfAborted();
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    if (this.#resourceVersion === undefined && !this.#streamsLists) await this.#listPages(signal);
    const startedMs = this.#clock.nowMs();
    const eventsBefore = this.#counts.events;
    await this.#watch(signal);
    if (this.#clock.nowMs() - startedMs < SHORT_WATCH_MS && this.#counts.events === eventsBefore) {
      throw new KubeError('UNREACHABLE', `${this.#what}: the API server ended it at once`);
    }
  }

  async #failed(error: KubeError, signal: AbortSignal): Promise<void> {
    if (error.code === 'GONE') this.#resourceVersion = undefined;
    if (this.#streamsLists && this.#resourceVersion === undefined && refusesStreaming(error)) {
      this.#streamsLists = false;
      return;
    }
    if (error.code === 'NOT_FOUND' && (await this.#isMissing(signal))) {
      this.#lost();
      await this.#pause(this.#missing.nextMs(), signal);
      return;
    }
    this.#counts.failures += 1;
    this.#state = 'broken';
    this.#lastError = error.message;
    this.#options.onError?.(error);
    await this.#pause(Math.max(error.retryAfterMs ?? 0, this.#backoff.nextMs()), signal);
  }

  /** Asks discovery: a 404 alone must not take away what is in force. */
  async #isMissing(signal: AbortSignal): Promise<boolean> {
    try {
      const { client, kind } = this.#options;
      return !isServed(await client.getPath(versionPath(kind), { signal }), kind);
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  #lost(): void {
    this.#resourceVersion = undefined;
    this.#state = 'missing';
    this.#backoff.reset();
    this.#table.beginList();
    this.#tell(this.#table.endList());
    this.#synced.resolve();
  }

  /** All pages, when the server has no streaming lists. */
  async #listPages(signal: AbortSignal): Promise<void> {
    const { client, kind, selection } = this.#options;
    this.#table.beginList();
    this.#state = 'listing';
    let continueToken: string | undefined;
    let resourceVersion: string;
    do {
      const page = await client.listPage(kind, { ...selection, limit: PAGE, continueToken, signal });
      for (const object of page.items) this.#table.set(object);
      ({ continueToken, resourceVersion } = page);
    } while (continueToken !== undefined);
    this.#listEnded(resourceVersion);
  }

  #listEnded(resourceVersion: string): void {
    this.#counts.lists += 1;
    this.#resourceVersion = resourceVersion;
    this.#backoff.reset();
    const changes = this.#table.endList();
    this.#state = 'watching';
    this.#tell(changes);
    this.#synced.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, kind, selection, inactivityMs = 150_000, watchMs = 300_000, random = Math.random } = this.#options;
    const isList = this.#resourceVersion === undefined;
    if (isList) {
      this.#table.beginList();
      this.#state = 'listing';
    }
    this.#counts.watches += 1;
    const quiet = new AbortController();
    let timer = this.#afterQuiet(inactivityMs, quiet);
    try {
      const events = client.watch(kind, {
        ...selection,
        resourceVersion: this.#resourceVersion,
        sendInitialEvents: isList,
        timeoutSec: (watchMs * (1 + random())) / 1000,
        signal: AbortSignal.any([signal, quiet.signal]),
      });
      for await (const batch of events) {
        timer[Symbol.dispose]();
        timer = this.#afterQuiet(inactivityMs, quiet);
        this.#take(batch);
      }
    } finally {
      timer[Symbol.dispose]();
    }
    if (this.#table.isListing) throw new KubeError('UNREACHABLE', `${this.#what}: the list ended halfway`);
  }

  #afterQuiet(inactivityMs: number, quiet: AbortController): Disposable {
    return this.#clock.after(inactivityMs, () =>
      quiet.abort(new KubeError('TIMEOUT', `${this.#what}: nothing came for ${inactivityMs} ms, not even a bookmark`)),
    );
  }

  /** All lines that came together; what they change is told as one batch, also when the last of them is an error. */
  #take(batch: readonly unknown[]): void {
    const changes: Reflected<T>[] = [];
    try {
      for (const line of batch) {
        const event = readWatchEvent(line, this.#what);
        this.#counts.events += 1;
        if (event.kind === 'bookmark') {
          if (!this.#table.isListing) this.#progressed(event.resourceVersion);
          else if (event.isEndOfList) this.#listEnded(event.resourceVersion);
          continue;
        }
        const change = this.#apply(event);
        if (change !== undefined) changes.push(change);
      }
    } finally {
      this.#tell(changes);
    }
  }

  #apply(event: Exclude<WatchEvent, { kind: 'bookmark' }>): Reflected<T> | undefined {
    const change = event.kind === 'deleted' ? this.#table.delete(event.key) : this.#table.set(event.object);
    if (!this.#table.isListing) this.#progressed(event.resourceVersion);
    return change;
  }

  #progressed(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
    this.#state = 'watching';
    this.#backoff.reset();
  }

  #tell(changes: readonly Reflected<T>[]): void {
    if (changes.length > 0) this.#options.onChanges(changes);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await delay(ms, { signal: AbortSignal.any([signal, woken.signal]) });
    } catch {
      signal.throwIfAborted();
    } finally {
      this.#wake = () => undefined;
    }
  }
}

/** An API server before streaming lists refuses the parameters (400 or 422), whatever the sentence. */
function refusesStreaming(error: KubeError): boolean {
  return error.code === 'INVALID' || error.code === 'BAD_REQUEST';
}

/** Reads objects as they are. */
export const readRaw: ReadObject<PlainObject> = (object) => object;

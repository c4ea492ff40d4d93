/** Fetches the keys of token issuers, so that proxies need no way out. Spec: l7.md section 4.5, JWKS. */
import type { BlockList } from 'node:net';
import type { Collection, Graph, SourceCollection } from '@ambit/collections';
import { delay, TaskScope, toAmbitError } from '@ambit/runtime';
import type { KeyFailure } from '../derive/key-failure.ts';
import { fetchOutside } from './fetch-outside.ts';
import type { KeyPlace, KeySource } from './jwks-source.ts';

export interface JwksFetcherOptions {
  readonly graph: Graph;
  /** What has to be fetched. */
  readonly places: Collection<KeyPlace>;
  /** Where keys are put. Keys stay when they cannot be fetched again: a broken issuer must not lock everybody out. */
  readonly keys: SourceCollection<KeySource>;
  /** Where it stands what could not be fetched more than once in a row. */
  readonly failures: SourceCollection<KeyFailure>;
  readonly log: { warn(fields: object, message: string): void };
  /** Addresses that are not asked. For tests; default: this host's own. */
  readonly blocked?: BlockList;
}

/** Times of Istio: between fetches, and after failures. */
const REFRESH_MS = 20 * 60_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60 * 60_000;
/** One failure may be a hiccup. */
const TELLING_FAILURES = 2;
/** Largest answer; key sets have a few kilobytes. */
const MAX_BYTES = 1024 * 1024;

/** Follows the places until it is disposed. */
export class JwksFetcher implements AsyncDisposable {
  readonly #options: JwksFetcherOptions;
  readonly #tasks = new TaskScope();
  readonly #running = new Map<string, AbortController>();
  readonly #subscription: Disposable;

  constructor(options: JwksFetcherOptions) {
    this.#options = options;
    const { places } = options;
    this.#subscription = places.subscribe((changes) => {
      for (const change of changes) {
        this.#stop(change.key);
        if (change.kind !== 'delete') this.#start(change.item);
      }
    });
    for (const place of places.values()) this.#start(place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]();
    await this.#tasks[Symbol.asyncDispose]();
  }

  #start(place: KeyPlace): void {
    const stop = new AbortController();
    this.#running.set(place.key, stop);
    this.#tasks.run(`keys of ${place.url}`, (signal) => this.#follow(place, AbortSignal.any([signal, stop.signal])));
  }

  #stop(key: string): void {
    this.#running.get(key)?.abort();
    this.#running.delete(key);
  }

  async #follow(place: KeyPlace, signal: AbortSignal): Promise<void> {
    const { graph, keys, failures, log, places } = this.#options;
    let failed = 0;
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      let waitMs = REFRESH_MS;
      try {
        const jwks = await this.#fetchKeys(place, signal);
        if (signal.aborted) break;
        retryMs = FIRST_RETRY_MS;
        failed = 0;
        graph.update(() => {
          failures.delete(place.key);
          if (keys.get(place.key)?.jwks !== jwks) keys.set({ key: place.key, jwks });
        });
      } catch (cause) {
        if (signal.aborted) break;
        const hasKeys = keys.get(place.key) !== undefined;
        const held = hasKeys ? 'the last keys stay in force' : 'every token is refused';
        const reason = toAmbitError(cause).message;
        log.warn({ url: place.url, reason }, `keys of an issuer not fetched; ${held}`);
        failed += 1;
        // Reasons may differ from try to try: the first that is told stands, so that statuses stay as they are.
        if (failed >= TELLING_FAILURES && failures.get(place.key) === undefined)
          graph.update(() =>
            failures.set({ key: place.key, host: new URL(place.url).host, reason: withoutUrls(reason), hasKeys }),
          );
        waitMs = retryMs;
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
      await delay(waitMs, { signal }).catch(() => undefined);
    }
    // Nobody asks for them any more, or the whole fetcher ends.
    if (places.get(place.key) !== undefined) return;
    graph.update(() => {
      keys.delete(place.key);
      failures.delete(place.key);
    });
  }

  async #fetchKeys({ kind, url, timeoutMs }: KeyPlace, signal: AbortSignal): Promise<string> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    if (kind === 'jwks') return keySet(await this.#get(url, within));
    const text = await this.#get(`${url.replace(/\/$/, '')}/.well-known/openid-configuration`, within);
    const found = fieldOf(JSON.parse(text), 'jwks_uri');
    if (typeof found !== 'string' || !/^https?:\/\//.test(found)) throw new Error('the issuer names no jwks_uri');
    return keySet(await this.#get(found, within));
  }

  #get(url: string, signal: AbortSignal): Promise<string> {
    const { blocked } = this.#options;
    return fetchOutside(url, { signal, maxBytes: MAX_BYTES, ...(blocked === undefined ? {} : { blocked }) });
  }
}

/** Hosts in place of addresses, of which the rest may be secret. */
function withoutUrls(text: string): string {
  return text.replace(/https?:\/\/[^\s]+/g, (url) => (URL.canParse(url) ? new URL(url).host : 'an address'));
}

/** Throws for what is no JWKS. */
function keySet(text: string): string {
  if (!Array.isArray(fieldOf(JSON.parse(text), 'keys')))
    throw new Error('the answer is no JWKS: it has no list of keys');
  return text;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined;
}

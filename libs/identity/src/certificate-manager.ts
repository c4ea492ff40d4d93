/**
 * Keeps a valid certificate for every identity in use: fetches, renews at half life, retries with back-off, forgets.
 *
 * | state of an identity | get() | fetch() |
 * |---|---|---|
 * | Initializing (first fetch waits or runs) | undefined | waits |
 * | Available | certificate | certificate |
 * | Unavailable (no valid certificate, back-off runs) | undefined | rejects at once with the last error |
 *
 * Spec: data-plane contract 8.3. Istio: ztunnel's secret manager.
 */
import { type AmbitError, Backoff, type Clock, systemClock, toAmbitError } from '@ambit/runtime';
import type { CaClient } from './ca-client.ts';
import { type FetchPriority, FetchQueue } from './fetch-queue.ts';
import { IdentityError } from './identity-error.ts';
import type { SpiffeId } from './spiffe-id.ts';
import type { WorkloadCertificate } from './workload-certificate.ts';

/** What listeners hear. `available` comes with each new certificate, also on renewal. */
export type CertificateEvent =
  | { readonly kind: 'available'; readonly identity: SpiffeId; readonly certificate: WorkloadCertificate }
  | { readonly kind: 'unavailable'; readonly identity: SpiffeId; readonly error: AmbitError }
  | {
      readonly kind: 'renewal-failed';
      readonly identity: SpiffeId;
      readonly error: AmbitError;
      readonly retryInMs: number;
    }
  | { readonly kind: 'forgotten'; readonly identity: SpiffeId };

/** One line of the admin dump; the words are ztunnel's. */
export interface CertificateStatus {
  readonly identity: SpiffeId;
  readonly state: 'Initializing' | 'Available' | `Unavailable: ${string}`;
  readonly certificate: WorkloadCertificate | undefined;
}

/** Options of {@link CertificateManager}. */
export interface CertificateManagerOptions {
  readonly client: CaClient;
  /** Requests to the CA at once; default 8. */
  readonly maxConcurrent?: number;
  readonly clock?: Clock;
  /** In [0, 1), for the jitter of the back-off. */
  readonly random?: () => number;
}

interface Entry {
  readonly identity: SpiffeId;
  readonly backoff: Backoff;
  references: number;
  certificate: WorkloadCertificate | undefined;
  error: AmbitError | undefined;
  isFetching: boolean;
  waiters: PromiseWithResolvers<WorkloadCertificate>[];
  timer: Disposable | undefined;
}

/** Renewal looks at the wall clock at least this often, because a suspended machine stops monotonic timers. */
const MAX_TIMER_MS = 5 * 60_000;
/** A CA that hands out certificates past their half life must not be asked in a tight loop. */
const MIN_REFRESH_MS = 1000;

/** Owner: whoever constructs it disposes it; that aborts fetches and rejects waiters. */
export class CertificateManager implements Disposable {
  readonly #client: CaClient;
  readonly #maxConcurrent: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #entries = new Map<SpiffeId, Entry>();
  readonly #queue = new FetchQueue();
  readonly #listeners = new Set<(event: CertificateEvent) => void>();
  readonly #stop = new AbortController();
  #fetching = 0;

  constructor(options: CertificateManagerOptions) {
    this.#client = options.client;
    this.#maxConcurrent = options.maxConcurrent ?? 8;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /** A workload of this identity appeared: count it, and fetch its certificate before the first connection. */
  prefetch(identity: SpiffeId): void {
    const entry = this.#entry(identity);
    entry.references += 1;
    if (entry.certificate === undefined && entry.error === undefined) this.#request(entry, 'warm-up');
  }

  /**
   * A workload counted by {@link prefetch} went away; with the last one the identity, its key and pending work are dropped.
   */
  forget(identity: SpiffeId): void {
    const entry = this.#entries.get(identity);
    if (entry === undefined) return;
    entry.references -= 1;
    if (entry.references <= 0) this.#drop(entry);
  }

  /** The certificate if there is one that has not expired; never waits. */
  get(identity: SpiffeId): WorkloadCertificate | undefined {
    const entry = this.#entries.get(identity);
    return entry === undefined ? undefined : this.#valid(entry);
  }

  /**
   * The certificate, waiting for the first fetch if needed (real-time priority). An identity that was never prefetched is
   * kept until its certificate is due for renewal. Rejects with IdentityError CERTIFICATE_UNAVAILABLE while the CA fails,
   * IDENTITY_FORGOTTEN if the identity goes away meanwhile, or `signal.reason`.
   */
  async fetch(identity: SpiffeId, options: { readonly signal?: AbortSignal } = {}): Promise<WorkloadCertificate> {
    options.signal?.throwIfAborted();
    this.#stop.signal.throwIfAborted();
    const entry = this.#entry(identity);
    const certificate = this.#valid(entry);
    if (certificate !== undefined) return certificate;
    if (entry.error !== undefined) throw unavailable(entry.identity, entry.error);
    const waiter = Promise.withResolvers<WorkloadCertificate>();
    entry.waiters.push(waiter);
    const onAbort = (): void => {
      entry.waiters = entry.waiters.filter((other) => other !== waiter);
      waiter.reject(options.signal?.reason);
    };
    options.signal?.addEventListener('abort', onAbort, { once: true });
    this.#request(entry, 'real-time');
    try {
      return await waiter.promise;
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Hears of every change from now on. A listener must not throw. */
  subscribe(listener: (event: CertificateEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** State of all identities, sorted by identity. */
  statuses(): CertificateStatus[] {
    const entries = [...this.#entries.values()].sort((a, b) => (a.identity < b.identity ? -1 : 1));
    return entries.map((entry) => ({
      identity: entry.identity,
      state: this.#state(entry),
      certificate: this.#valid(entry),
    }));
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new IdentityError('IDENTITY_FORGOTTEN', 'the certificate manager has stopped'));
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.#listeners.clear();
  }

  #state(entry: Entry): CertificateStatus['state'] {
    if (this.#valid(entry) !== undefined) return 'Available';
    return entry.error === undefined ? 'Initializing' : `Unavailable: ${entry.error.message}`;
  }

  #entry(identity: SpiffeId): Entry {
    const known = this.#entries.get(identity);
    if (known !== undefined) return known;
    const entry: Entry = {
      identity,
      backoff: new Backoff({ initialMs: 1000, factor: 2, maxMs: 150_000, jitter: 0.2, random: this.#random }),
      references: 0,
      certificate: undefined,
      error: undefined,
      isFetching: false,
      waiters: [],
      timer: undefined,
    };
    this.#entries.set(identity, entry);
    return entry;
  }

  #valid(entry: Entry): WorkloadCertificate | undefined {
    const { certificate } = entry;
    return certificate !== undefined && this.#clock.wallTimeMs() < certificate.notAfterMs ? certificate : undefined;
  }

  #request(entry: Entry, priority: FetchPriority): void {
    if (entry.isFetching) return;
    this.#cancelTimer(entry);
    this.#queue.add(entry.identity, priority);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#fetching < this.#maxConcurrent) {
      const identity = this.#queue.take();
      if (identity === undefined) return;
      const entry = this.#entries.get(identity);
      if (entry === undefined) continue;
      entry.isFetching = true;
      this.#fetching += 1;
      void this.#fetchNow(entry);
    }
  }

  /** Never rejects. */
  async #fetchNow(entry: Entry): Promise<void> {
    try {
      const certificate = await this.#client.fetchCertificate(entry.identity, { signal: this.#stop.signal });
      this.#finish(entry, () => this.#succeeded(entry, certificate));
    } catch (error) {
      this.#finish(entry, () => this.#failed(entry, toAmbitError(error)));
    }
  }

  #finish(entry: Entry, settle: () => void): void {
    entry.isFetching = false;
    this.#fetching -= 1;
    // Forgotten meanwhile (perhaps known again as another entry): the answer is for nobody.
    if (this.#entries.get(entry.identity) === entry) settle();
    if (!this.#stop.signal.aborted) this.#startNext();
  }

  #succeeded(entry: Entry, certificate: WorkloadCertificate): void {
    entry.certificate = certificate;
    entry.error = undefined;
    entry.backoff.reset();
    this.#refreshAt(entry, certificate.refreshAtMs);
    for (const waiter of entry.waiters.splice(0)) waiter.resolve(certificate);
    this.#tell({ kind: 'available', identity: entry.identity, certificate });
  }

  #failed(entry: Entry, error: AmbitError): void {
    const delayMs = entry.backoff.nextMs();
    const certificate = this.#valid(entry);
    if (certificate === undefined) {
      const isNew = entry.error === undefined;
      entry.certificate = undefined;
      entry.error = error;
      for (const waiter of entry.waiters.splice(0)) waiter.reject(unavailable(entry.identity, error));
      this.#retryIn(entry, delayMs);
      if (isNew) this.#tell({ kind: 'unavailable', identity: entry.identity, error });
      return;
    }
    const retryInMs = Math.min(delayMs, certificate.notAfterMs - this.#clock.wallTimeMs());
    this.#retryIn(entry, retryInMs);
    this.#tell({ kind: 'renewal-failed', identity: entry.identity, error, retryInMs });
  }

  #refreshAt(entry: Entry, wallTimeMs: number): void {
    const leftMs = Math.max(MIN_REFRESH_MS, wallTimeMs - this.#clock.wallTimeMs());
    this.#arm(entry, Math.min(leftMs, MAX_TIMER_MS), () => {
      if (this.#clock.wallTimeMs() < wallTimeMs) this.#refreshAt(entry, wallTimeMs);
      else if (entry.references <= 0) this.#drop(entry);
      else this.#request(entry, 'refresh');
    });
  }

  #retryIn(entry: Entry, delayMs: number): void {
    this.#arm(entry, delayMs, () => {
      if (entry.references <= 0 && entry.certificate === undefined) this.#drop(entry);
      else this.#request(entry, 'refresh');
    });
  }

  #arm(entry: Entry, delayMs: number, callback: () => void): void {
    this.#cancelTimer(entry);
    entry.timer = this.#clock.after(delayMs, callback);
  }

  #cancelTimer(entry: Entry): void {
    entry.timer?.[Symbol.dispose]();
    entry.timer = undefined;
  }

  #drop(entry: Entry): void {
    this.#cancelTimer(entry);
    this.#entries.delete(entry.identity);
    this.#queue.remove(entry.identity);
    entry.certificate = undefined;
    const forgotten = new IdentityError('IDENTITY_FORGOTTEN', `no workload of ${entry.identity} is left on this node`);
    for (const waiter of entry.waiters.splice(0)) waiter.reject(forgotten);
    this.#tell({ kind: 'forgotten', identity: entry.identity });
  }

  #tell(event: CertificateEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function unavailable(identity: SpiffeId, cause: AmbitError): IdentityError {
  return new IdentityError('CERTIFICATE_UNAVAILABLE', `no certificate for ${identity}: ${cause.message}`, {
    source: 'internal',
    retryable: true,
    cause,
  });
}

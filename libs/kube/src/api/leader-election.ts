/**
 * One leader among replicas, by a Lease. Clocks of different machines are not compared: a lease counts as expired when
 * it has not changed for its duration as seen from here. Istio and Kubernetes: client-go leaderelection.
 */
import { AmbitError, type Clock, delay, systemClock, toAmbitError } from '@ambit/runtime';
import { type ObjectRef, rawKinds } from './api-kind.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeError } from './kube-error.ts';
import { leaseObject, type LeaseRecord, microTime, readLease } from './lease.ts';

export interface LeaderElectionOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  readonly namespace: string;
  /** Of the Lease object. */
  readonly name: string;
  /** Of this replica; unique, so the pod's name. */
  readonly identity: string;
  /** How long others wait after the last renewal before they take over, milliseconds. Default 15,000. */
  readonly leaseMs?: number;
  /** Without a renewal for this long this replica stops leading, milliseconds. Less than `leaseMs`; default 10,000. */
  readonly renewDeadlineMs?: number;
  /** Time between attempts to renew or acquire, milliseconds, with up to 20 % more at random. Default 2,000. */
  readonly retryMs?: number;
  /** Hears of attempts that failed; election goes on. */
  readonly onError?: (error: AmbitError) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export class LeaderElection {
  readonly #options: Required<Omit<LeaderElectionOptions, 'onError'>> & Pick<LeaderElectionOptions, 'onError'>;
  readonly #ref: ObjectRef;
  #seen: LeaseRecord | undefined;
  #seenAtMs = 0;
  #isLeader = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = {
      leaseMs: 15_000,
      renewDeadlineMs: 10_000,
      retryMs: 2_000,
      clock: systemClock,
      random: Math.random,
      ...options,
    };
    this.#ref = { kind: rawKinds.Lease, namespace: options.namespace, name: options.name };
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** Who leads, as far as this replica has seen; empty when nobody does. */
  get leader(): string {
    return this.#seen?.holder ?? '';
  }

  /**
   * Runs `whileLeader` each time this replica becomes leader, until `signal` is aborted; then gives the lease back. The
   * signal it gets is aborted before another replica can take over; nothing must be written after that. When
   * `whileLeader` ends by itself the lease is given back and the election ends, with its error if it failed.
   */
  async run(signal: AbortSignal, whileLeader: (signal: AbortSignal) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const acquiredAtMs = await this.#acquire(signal);
      if (acquiredAtMs === undefined) return;
      if ((await this.#lead(acquiredAtMs, signal, whileLeader)) === 'done') return;
    }
  }

  /** Resolves with the time before the successful request; undefined when aborted. */
  async #acquire(signal: AbortSignal): Promise<number | undefined> {
    while (!signal.aborted) {
      const startedMs = this.#options.clock.nowMs();
      if (await this.#attempt(signal)) return startedMs;
      await this.#pause(signal);
    }
    return undefined;
  }

  async #lead(
    acquiredAtMs: number,
    signal: AbortSignal,
    whileLeader: (signal: AbortSignal) => Promise<void>,
  ): Promise<'lost' | 'done'> {
    const { clock, renewDeadlineMs } = this.#options;
    const term = new AbortController();
    const loss = new AmbitError('LEADERSHIP_LOST', 'the lease could not be renewed in time');
    const lost = (): void => term.abort(loss);
    const stop = (): void => term.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let deadline = clock.after(acquiredAtMs + renewDeadlineMs - clock.nowMs(), lost);
    this.#isLeader = true;
    const work = (async () => whileLeader(term.signal))();
    const ended = work.then(
      () => term.abort(),
      () => term.abort(),
    );
    try {
      while (!term.signal.aborted) {
        await this.#pause(term.signal);
        if (term.signal.aborted) break;
        const startedMs = clock.nowMs();
        const isRenewed = await this.#attempt(term.signal);
        if (isRenewed && !term.signal.aborted) {
          deadline[Symbol.dispose]();
          deadline = clock.after(startedMs + renewDeadlineMs - clock.nowMs(), lost);
        } else if (!isRenewed && this.#seen !== undefined && this.#seen.holder !== this.#options.identity) lost();
      }
      await ended;
    } finally {
      deadline[Symbol.dispose]();
      signal.removeEventListener('abort', stop);
      this.#isLeader = false;
      await this.#release();
    }
    if (term.signal.reason === loss || signal.aborted) return 'lost';
    await work;
    return 'done';
  }

  /** Reads the lease and takes or renews it when that is allowed; true when this replica holds it now. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { client, clock, identity, leaseMs, renewDeadlineMs, namespace, name, onError } = this.#options;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(renewDeadlineMs)]);
    try {
      const object = await client.get(this.#ref, { signal: deadline });
      const found = object === undefined ? undefined : readLease(object);
      if (found !== undefined) this.#observe(found);
      if (found !== undefined && found.holder !== identity && !this.#isExpired(found)) return false;
      const now = microTime(clock.wallTimeMs());
      const isRenewal = found?.holder === identity;
      const wanted: LeaseRecord = {
        holder: identity,
        durationSec: Math.max(1, Math.ceil(leaseMs / 1000)),
        renewTime: now,
        acquireTime: isRenewal ? found.acquireTime : now,
        transitions: isRenewal ? found.transitions : (found?.transitions ?? -1) + 1,
        resourceVersion: found?.resourceVersion ?? '',
      };
      const body = leaseObject(namespace, name, wanted);
      const written =
        found === undefined
          ? await client.create(rawKinds.Lease, body, { signal: deadline })
          : await client.replace(this.#ref, body, { signal: deadline });
      this.#observe(readLease(written));
      return true;
    } catch (cause) {
      // Another replica was faster: its record is read next time.
      const isRace = cause instanceof KubeError && cause.code === 'CONFLICT';
      if (!signal.aborted && !isRace) onError?.(toAmbitError(cause));
      return false;
    }
  }

  #observe(record: LeaseRecord): void {
    const before = this.#seen;
    this.#seen = record;
    if (before?.renewTime === record.renewTime && before.holder === record.holder) return;
    this.#seenAtMs = this.#options.clock.nowMs();
  }

  #isExpired(record: LeaseRecord): boolean {
    if (record.holder === '') return true;
    const durationMs = Math.max(record.durationSec * 1000, 1000);
    return this.#options.clock.nowMs() - this.#seenAtMs >= durationMs;
  }

  /** Gives the lease back, so that the next leader need not wait. Failing means only that it has to. */
  async #release(): Promise<void> {
    const { client, identity, clock, namespace, name, onError } = this.#options;
    const record = this.#seen;
    if (record?.holder !== identity) return;
    try {
      const free: LeaseRecord = { ...record, holder: '', durationSec: 1, renewTime: microTime(clock.wallTimeMs()) };
      const signal = AbortSignal.timeout(2_000);
      this.#observe(readLease(await client.replace(this.#ref, leaseObject(namespace, name, free), { signal })));
    } catch (cause) {
      onError?.(toAmbitError(cause));
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { retryMs, random } = this.#options;
    await delay(retryMs * (1 + 0.2 * random()), { signal }).catch(() => undefined);
  }
}

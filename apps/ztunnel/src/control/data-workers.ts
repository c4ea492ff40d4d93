/**
 * All data workers of the process: who has which pod, and the questions that need an answer of each.
 * With SO_REUSEPORT every worker listens in every pod and the kernel spreads connections; without it a pod has one worker.
 */
import type { NetError } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';
import type { DataSettings, FromWorker, PodConnections, PodIdentity, ToWorker } from '../worker-protocol.ts';
import { DataWorker } from './data-worker.ts';

/** Messages that are answers to something asked here. */
type Answer = Extract<FromWorker, { kind: 'proxyStarted' | 'proxyFailed' | 'drained' | 'connections' }>;
export type WorkerReport = Exclude<FromWorker, Answer>;

export interface DataWorkersOptions {
  readonly count: number;
  readonly settings: DataSettings;
  /** Another program than the data half, for tests. */
  readonly entry?: URL;
  /** Everything that is not an answer. */
  readonly onReport: (workerId: number, report: WorkerReport) => void;
  readonly onDeath: (error: NetError) => void;
}

interface Start {
  readonly outcome: PromiseWithResolvers<void>;
  readonly waitingFor: Set<number>;
  failure: string | undefined;
}

/** A worker that does not answer a question in this time is left out of the answer. */
const ANSWER_MS = 2_000;

export class DataWorkers {
  readonly #options: DataWorkersOptions;
  readonly #workers: readonly DataWorker[];
  readonly #pods = new Map<string, readonly DataWorker[]>();
  readonly #starts = new Map<string, Start>();
  readonly #queries = new Map<number, (pods: Readonly<Record<string, PodConnections>>) => void>();
  readonly #drained = new Map<number, number>();
  #onDrained: (() => void) | undefined;
  #lastQuery = 0;

  constructor(options: DataWorkersOptions) {
    this.#options = options;
    this.#workers = Array.from(
      { length: options.count },
      (_, id) =>
        new DataWorker({
          id,
          settings: options.settings,
          onMessage: (message) => this.#take(id, message),
          onDeath: options.onDeath,
          ...(options.entry === undefined ? {} : { entry: options.entry }),
        }),
    );
  }

  /** Fulfilled when every worker runs. */
  async ready(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ready));
  }

  /** To every worker. */
  post(message: ToWorker): void {
    for (const worker of this.#workers) worker.post(message);
  }

  postTo(workerId: number, message: ToWorker): void {
    this.#workers[workerId]?.post(message);
  }

  /**
   * Starts the proxy of a pod; `openNetns` gives a descriptor for each worker, which that worker then owns. Resolves when
   * all its listeners are open; rejects with AmbitError `PROXY_START` when any worker fails, and none serves then.
   */
  async addProxy(uid: string, info: PodIdentity, openNetns: () => number | undefined): Promise<void> {
    const workers = this.#options.settings.reusePort ? this.#workers : [this.#leastLoaded()];
    const netnsFds = workers.map(() => openNetns());
    const start: Start = {
      outcome: Promise.withResolvers(),
      waitingFor: new Set(workers.map(({ id }) => id)),
      failure: undefined,
    };
    this.#starts.get(uid)?.outcome.reject(new AmbitError('PROXY_START', 'the pod was added again'));
    this.#starts.set(uid, start);
    this.#pods.set(uid, workers);
    for (const [i, worker] of workers.entries()) worker.post({ kind: 'proxyAdd', uid, info, netnsFd: netnsFds[i] });
    try {
      await start.outcome.promise;
    } catch (error) {
      if (this.#starts.get(uid) === start || !this.#starts.has(uid)) this.removeProxy(uid);
      throw error;
    }
  }

  /** Ends a pod's proxy and its connections; an unknown uid is ignored. */
  removeProxy(uid: string): void {
    const workers = this.#pods.get(uid);
    this.#pods.delete(uid);
    for (const worker of workers ?? []) worker.post({ kind: 'proxyRemove', uid });
    const start = this.#starts.get(uid);
    this.#starts.delete(uid);
    start?.outcome.reject(new AmbitError('PROXY_START', 'the pod was removed while it was being started'));
  }

  /** Open connections by pod; of the workers that answer within two seconds. */
  async connections(): Promise<Readonly<Record<string, PodConnections>>> {
    const answers = await Promise.all(this.#workers.map((worker) => this.#ask(worker)));
    const merged: Record<string, PodConnections> = {};
    for (const pods of answers) {
      for (const [uid, { inbound, outbound }] of Object.entries(pods)) {
        const known = merged[uid];
        merged[uid] = {
          inbound: [...(known?.inbound ?? []), ...inbound],
          outbound: [...(known?.outbound ?? []), ...outbound],
        };
      }
    }
    return merged;
  }

  /** Closes listeners, waits for connections up to the deadline; resolves with the number that had to be cut. */
  async drain(deadlineMs: number): Promise<number> {
    const done = Promise.withResolvers<void>();
    this.#onDrained = () => {
      if (this.#drained.size === this.#workers.length) done.resolve();
    };
    this.post({ kind: 'drain', deadlineMs });
    // The workers keep the deadline themselves; this is for one that hangs.
    const timer = setTimeout(() => done.resolve(), deadlineMs + ANSWER_MS);
    await done.promise;
    clearTimeout(timer);
    return [...this.#drained.values()].reduce((sum, cut) => sum + cut, 0);
  }

  stop(): void {
    for (const worker of this.#workers) worker.stop();
  }

  #leastLoaded(): DataWorker {
    const load = new Map(this.#workers.map((worker) => [worker, 0]));
    for (const workers of this.#pods.values())
      for (const worker of workers) load.set(worker, (load.get(worker) ?? 0) + 1);
    const [first, ...rest] = this.#workers;
    if (first === undefined) throw new AmbitError('NO_WORKERS', 'there is no data worker');
    return rest.reduce((best, worker) => ((load.get(worker) ?? 0) < (load.get(best) ?? 0) ? worker : best), first);
  }

  #ask(worker: DataWorker): Promise<Readonly<Record<string, PodConnections>>> {
    this.#lastQuery += 1;
    const query = this.#lastQuery;
    const { promise, resolve } = Promise.withResolvers<Readonly<Record<string, PodConnections>>>();
    const timer = setTimeout(() => resolve({}), ANSWER_MS);
    this.#queries.set(query, resolve);
    worker.post({ kind: 'listConnections', query });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#queries.delete(query);
    });
  }

  #take(workerId: number, message: FromWorker): void {
    switch (message.kind) {
      case 'proxyStarted':
        return this.#started(workerId, message.uid, undefined);
      case 'proxyFailed':
        return this.#started(workerId, message.uid, message.error);
      case 'connections':
        return this.#queries.get(message.query)?.(message.pods);
      case 'drained':
        this.#drained.set(workerId, message.cutConnections);
        return this.#onDrained?.();
      default:
        return this.#options.onReport(workerId, message);
    }
  }

  #started(workerId: number, uid: string, error: string | undefined): void {
    const start = this.#starts.get(uid);
    if (start === undefined || !start.waitingFor.delete(workerId)) return;
    start.failure ??= error;
    if (start.waitingFor.size > 0) return;
    this.#starts.delete(uid);
    if (start.failure === undefined) start.outcome.resolve();
    else start.outcome.reject(new AmbitError('PROXY_START', start.failure, { retryable: true }));
  }
}

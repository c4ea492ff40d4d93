/** All data workers of the process, and the questions that need an answer of each. */
import type { NetError } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';
import type { DataSettings, FromWorker, ToWorker, WorkerDescription } from '../worker-protocol.ts';
import { DataWorker } from './data-worker.ts';

/** Messages that are no answers to something asked here. */
export type WorkerReport = Extract<FromWorker, { kind: 'metrics' | 'log' | 'resolveHost' }>;

export interface DataWorkersOptions {
  readonly count: number;
  readonly settings: DataSettings;
  readonly onReport: (workerId: number, report: WorkerReport) => void;
  readonly onDeath: (error: NetError) => void;
}

/** A worker that does not answer a question in this time is left out of the answer. */
const ANSWER_MS = 2_000;

/** Answers of all workers to one question. */
class Answers<T> {
  readonly #outcome = Promise.withResolvers<readonly T[]>();
  readonly #values = new Map<number, T>();
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  get all(): Promise<readonly T[]> {
    return this.#outcome.promise;
  }

  give(workerId: number, value: T): void {
    this.#values.set(workerId, value);
    if (this.#values.size === this.#count) this.settle();
  }

  /** With what has come so far. */
  settle(): void {
    this.#outcome.resolve([...this.#values.values()]);
  }

  fail(error: AmbitError): void {
    this.#outcome.reject(error);
  }
}

export class DataWorkers {
  readonly #options: DataWorkersOptions;
  readonly #workers: readonly DataWorker[];
  readonly #listening: Answers<number>;
  readonly #drained: Answers<number>;
  readonly #descriptions = new Map<number, Answers<WorkerDescription>>();
  #lastQuery = 0;

  constructor(options: DataWorkersOptions) {
    const { count, settings, onDeath } = options;
    this.#options = options;
    this.#listening = new Answers(count);
    this.#listening.all.catch(() => undefined);
    this.#drained = new Answers(count);
    this.#workers = Array.from(
      { length: count },
      (_, id) => new DataWorker({ id, settings, onMessage: (message) => this.#take(id, message), onDeath }),
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

  /** Opens the listeners; the HBONE port. Rejects with AmbitError `LISTEN`. */
  async listen(): Promise<number> {
    this.post({ kind: 'listen' });
    const [port = 0] = await this.#listening.all;
    return port;
  }

  /** Drains all workers; the number of connections that had to be cut. */
  async drain(deadlineMs: number, minimumMs: number): Promise<number> {
    this.post({ kind: 'drain', deadlineMs, minimumMs });
    const timer = setTimeout(() => this.#drained.settle(), deadlineMs + ANSWER_MS);
    const cut = await this.#drained.all;
    clearTimeout(timer);
    return cut.reduce((sum, count) => sum + count, 0);
  }

  async describe(): Promise<readonly WorkerDescription[]> {
    this.#lastQuery += 1;
    const query = this.#lastQuery;
    const answers = new Answers<WorkerDescription>(this.#workers.length);
    this.#descriptions.set(query, answers);
    const timer = setTimeout(() => answers.settle(), ANSWER_MS);
    this.post({ kind: 'describe', query });
    const all = await answers.all;
    clearTimeout(timer);
    this.#descriptions.delete(query);
    return all;
  }

  stop(): void {
    for (const worker of this.#workers) worker.stop();
  }

  #take(workerId: number, message: FromWorker): void {
    switch (message.kind) {
      case 'listening':
        return this.#listening.give(workerId, message.hbonePort);
      case 'listenFailed':
        return this.#listening.fail(new AmbitError('LISTEN', message.error));
      case 'drained':
        return this.#drained.give(workerId, message.cutConnections);
      case 'described':
        return this.#descriptions.get(message.query)?.give(workerId, message.description);
      case 'resolveHost':
      case 'metrics':
      case 'log':
        return this.#options.onReport(workerId, message);
    }
  }
}

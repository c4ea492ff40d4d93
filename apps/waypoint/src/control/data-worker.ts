/**
 * One data worker as the control thread sees it: a port, and the eventfd that ends its sleep. A worker that dies takes the
 * process with it.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Fd, io } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';
import type { DataSettings, FromWorker, ToWorker, WorkerStart } from '../worker-protocol.ts';

export interface DataWorkerOptions {
  readonly id: number;
  readonly settings: DataSettings;
  readonly onMessage: (message: FromWorker) => void;
  /** Told once, unless {@link DataWorker.stop} was called before. */
  readonly onDeath: (error: AmbitError) => void;
}

/** Without a bound V8 lets the young generation of a worker grow to 48 MB under load. */
const YOUNG_GENERATION_MB = 12;

export class DataWorker {
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #ready = Promise.withResolvers<void>();
  #wakeFd: Fd | undefined;
  #wakeIsDue = false;
  #isStopping = false;

  constructor(options: DataWorkerOptions) {
    const { port1, port2 } = new MessageChannel();
    const start: WorkerStart = { workerId: options.id, port: port2, settings: options.settings };
    this.#port = port1;
    this.#worker = new Worker(new URL('../data/worker.ts', import.meta.url), {
      workerData: start,
      transferList: [port2],
      name: `data-${options.id}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const onDeath = (cause: unknown): void => {
      const error = new AmbitError('WORKER_DIED', `data worker ${options.id} ended`, { cause });
      this.#ready.reject(error);
      if (!this.#isStopping) options.onDeath(error);
    };
    this.#ready.promise.catch(() => undefined);
    this.#worker.on('error', onDeath);
    this.#worker.on('exit', (code) => onDeath(new Error(`exit code ${code}`)));
    // The port has one sender, which is this program: its messages are what the protocol says.
    port1.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') {
        this.#wakeFd = message.wakeFd;
        this.#ready.resolve();
        this.#wake();
      } else options.onMessage(message);
    });
  }

  /** Fulfilled when the worker's loop runs; rejected when it dies first. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Queues a message; the worker is woken once for all messages of a turn. */
  post(message: ToWorker): void {
    this.#port.postMessage(message);
    if (this.#wakeIsDue) return;
    this.#wakeIsDue = true;
    queueMicrotask(() => this.#wake());
  }

  /** Ends the worker's loop and its thread. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.post({ kind: 'stop' });
    this.#worker.unref();
    this.#port.unref();
  }

  #wake(): void {
    this.#wakeIsDue = false;
    if (this.#wakeFd !== undefined) io.eventfdSignal(this.#wakeFd);
  }
}

/**
 * A data worker as the thread that started it sees it: a port, and the eventfd that ends the sleep of its {@link EventLoop}.
 * The other half is {@link runLoopWorker}.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { io, type Fd } from './io.ts';
import { NetError } from './net-error.ts';

/** `workerData` of a data worker. */
export interface LoopWorkerStart<Settings> {
  readonly id: number;
  readonly port: MessagePort;
  readonly settings: Settings;
}

/** What a worker says first. `wakeFd` is the eventfd of its loop. */
export interface LoopWorkerReady {
  readonly kind: 'ready';
  readonly wakeFd: Fd;
}

export interface LoopWorkerOptions<Settings, FromWorker> {
  readonly id: number;
  /** The program; it calls {@link runLoopWorker}. */
  readonly entry: URL;
  /** Cloned. */
  readonly settings: Settings;
  /** Without a bound V8 lets the young generation of a worker grow to 48 MB under load. */
  readonly maxYoungGenerationMb: number;
  readonly onMessage: (message: FromWorker) => void;
  /** Told NetError `WORKER_DIED` once, unless {@link LoopWorker.stop} was called before. */
  readonly onDeath: (error: NetError) => void;
}

/** Messages of one direction arrive in order. `{ kind: 'stop' }` is the last one that the worker gets. */
export class LoopWorker<Settings, ToWorker, FromWorker extends { readonly kind: string }> {
  readonly id: number;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #ready = Promise.withResolvers<void>();
  #wakeFd: Fd | undefined;
  #wakeIsDue = false;
  #isStopping = false;

  constructor(options: LoopWorkerOptions<Settings, FromWorker>) {
    const { id, settings } = options;
    const { port1, port2 } = new MessageChannel();
    const start: LoopWorkerStart<Settings> = { id, port: port2, settings };
    this.id = id;
    this.#port = port1;
    this.#worker = new Worker(options.entry, {
      workerData: start,
      transferList: [port2],
      name: `data-${id}`,
      resourceLimits: { maxYoungGenerationSizeMb: options.maxYoungGenerationMb },
    });
    const onDeath = (cause: unknown): void => {
      const error = new NetError('WORKER_DIED', `data worker ${id} ended`, { id }, cause);
      this.#ready.reject(error);
      if (!this.#isStopping) options.onDeath(error);
    };
    this.#ready.promise.catch(() => undefined);
    this.#worker.on('error', onDeath);
    this.#worker.on('exit', (code) => onDeath(new Error(`exit code ${code}`)));
    // The port has one sender, which is this program: its messages are what the protocol says.
    port1.on('message', (message: FromWorker | LoopWorkerReady) => {
      if (isReady(message)) {
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
  post(message: ToWorker | { readonly kind: 'stop' }): void {
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

function isReady(message: { readonly kind: string }): message is LoopWorkerReady {
  return message.kind === 'ready';
}

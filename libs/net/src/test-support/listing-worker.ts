/** A data worker that answers each message with its own number and the message's kind; `fail` ends it. */
import { type LoopProgram, type LoopThread, runLoopWorker } from '../run-loop-worker.ts';

/** What the worker is given. */
export interface ListingSettings {
  readonly name: string;
  /** Becomes 1 when the worker is told to stop. */
  readonly stopped: Int32Array<SharedArrayBuffer>;
}

/** To the worker. */
export interface Told {
  readonly kind: 'hello' | 'again' | 'fail' | 'stop';
}

/** From the worker: what a turn had to say leaves at its end. */
export interface Heard {
  readonly kind: 'heard';
  readonly lines: readonly string[];
}

class ListingWorker implements LoopProgram<Told> {
  readonly #thread: LoopThread<ListingSettings, Heard>;
  #lines: string[] = [];
  isStopped = false;

  constructor(thread: LoopThread<ListingSettings, Heard>) {
    this.#thread = thread;
  }

  receive({ kind }: Told): void {
    const { id, settings } = this.#thread;
    if (kind === 'fail') throw new Error('told to fail');
    this.#lines.push(`${settings.name} ${id}: ${kind}`);
    this.isStopped = kind === 'stop';
    if (!this.isStopped) return;
    Atomics.store(settings.stopped, 0, 1);
    Atomics.notify(settings.stopped, 0);
  }

  flush(): void {
    if (this.#lines.length > 0) this.#thread.post({ kind: 'heard', lines: this.#lines });
    this.#lines = [];
  }
}

runLoopWorker<ListingSettings, Told, Heard>((thread) => new ListingWorker(thread));

/**
 * Gives memory back that the C heap keeps in pieces: compilers of V8 take and free megabytes of it while a load warms up,
 * and the C library returns only what lies at its end.
 */
import { io } from '@ambit/net';

const INTERVAL_MS = 5_000;
/** Less growth than this is not worth the walk through the heap. */
const WORTHWHILE_BYTES = 3 * 1024 * 1024;

/** What it looks at and acts on; replaced in tests. */
export interface TrimmedProcess {
  /** Throws when the process has no descriptor left to ask with. */
  residentBytes(): number;
  trim(): void;
}

const thisProcess: TrimmedProcess = {
  residentBytes: () => process.memoryUsage.rss(),
  trim: () => void io.trimHeap(),
};

/** Trims when the process has grown since the last time. Main thread only. */
export class HeapTrimmer implements Disposable {
  readonly #target: TrimmedProcess;
  readonly #timer: NodeJS.Timeout;
  #lastBytes = 0;

  constructor(target: TrimmedProcess = thisProcess) {
    this.#target = target;
    this.#timer = setInterval(() => this.check(), INTERVAL_MS).unref();
  }

  /** One look; the timer does this. */
  check(): void {
    const before = this.#residentBytes();
    if (before === undefined) return;
    // What the process gave back by itself lowers the mark, so that the next growth is seen.
    this.#lastBytes = Math.min(this.#lastBytes, before);
    if (before < this.#lastBytes + WORTHWHILE_BYTES) return;
    this.#target.trim();
    this.#lastBytes = this.#residentBytes() ?? before;
  }

  #residentBytes(): number | undefined {
    try {
      return this.#target.residentBytes();
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

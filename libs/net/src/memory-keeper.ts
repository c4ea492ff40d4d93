/**
 * Gives memory back that the process took for a moment: reading a whole mesh leaves as much garbage as it leaves mesh, and a
 * process that has little to do afterwards allocates too little for V8 to collect it (measured: not within two minutes). A proxy's
 * control thread keeps a third of its heap as garbage of the start. Only a quiet thread is collected, because a collection stops it:
 * 0.1 to 0.3 s with 50,000 pods. A busy one is collected by V8 in passing, and so are data workers.
 *
 * A collection also makes what follows it slow, because V8 forgets what it knew of objects that are gone: the next changes of the mesh
 * take 40 ms instead of 4. Growth at the start is given back soon; later growth is mostly room that V8 uses again, and waits.
 */
import { setFlagsFromString } from 'node:v8';
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { runInNewContext } from 'node:vm';
import { io } from './io.ts';

const INTERVAL_MS = 10_000;
/** Part of its time that a quiet process works. */
const QUIET = 0.3;
/** What is worth a collection: growth by this part and by this much. */
const GROWTH = 1.15;
const WORTHWHILE_BYTES = 16 * 1024 * 1024;
/** The look after which a next collection may come: the first at first, then the second, fourth and so on, to this one. */
const MAX_REST = 30;

/** What it looks at and acts on; replaced in tests. */
export interface KeptProcess {
  /** Part of the time since the last call in which it did something. */
  utilization(): number;
  residentBytes(): number;
  /** Collects the whole heap of V8, at once. */
  collect(): void;
  /** Returns free pages of the C heap to the kernel. */
  trim(): void;
}

/** Main thread only. */
export class MemoryKeeper implements Disposable {
  readonly #target: KeptProcess;
  readonly #timer: NodeJS.Timeout;
  /** The least it took since the last collection. */
  #leastBytes = 0;
  /** Looks from a collection to the next that may be. */
  #rest = 1;
  /** What is left of them. */
  #resting = 0;

  constructor(target: KeptProcess = thisProcess()) {
    this.#target = target;
    this.#timer = setInterval(() => this.check(), INTERVAL_MS).unref();
  }

  /** One look; the timer does this. */
  check(): void {
    const utilization = this.#target.utilization();
    // The C library returns by itself only what lies at the end of its heap.
    this.#target.trim();
    if (this.#resting > 0) this.#resting -= 1;
    if (utilization > QUIET) return;
    const residentBytes = this.#target.residentBytes();
    const isGrown = residentBytes > this.#leastBytes * GROWTH && residentBytes > this.#leastBytes + WORTHWHILE_BYTES;
    if (!isGrown) {
      this.#leastBytes = Math.min(this.#leastBytes, residentBytes);
      return;
    }
    if (this.#resting > 0) return;
    this.#target.collect();
    this.#target.trim();
    this.#leastBytes = this.#target.residentBytes();
    this.#resting = this.#rest;
    this.#rest = Math.min(MAX_REST, this.#rest * 2);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function thisProcess(): KeptProcess {
  let last: EventLoopUtilization = performance.eventLoopUtilization();
  return {
    utilization: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    residentBytes: () => process.memoryUsage.rss(),
    collect: collector(),
    trim: () => void io.trimHeap(),
  };
}

/** V8's own function, which a process has from the flag on. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void Reflect.apply(collect, undefined, []) : () => undefined;
}

/**
 * Buffers of this thread. Connections hold one only while bytes wait in it, so an idle connection holds none.
 * Free slabs are kept up to a bound, the rest goes back to the collector.
 */
export class SlabPool {
  readonly slabBytes: number;
  readonly #free: Uint8Array[] = [];
  readonly #maxFree: number;

  constructor(slabBytes: number, maxFree: number) {
    this.slabBytes = slabBytes;
    this.#maxFree = maxFree;
  }

  take(): Uint8Array {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.slabBytes);
  }

  /** The caller holds no view of it any more. */
  giveBack(slab: Uint8Array): void {
    if (slab.length === this.slabBytes && this.#free.length < this.#maxFree) this.#free.push(slab);
  }
}

/** Bytes of DATA that a tunnel collects before it must write. */
export const outputDataBytes: number = 256 * 1024;
/** Room above that for control frames and headers. */
export const outputControlBytes: number = 128 * 1024;

/** The buffers that all connections of one thread share. */
export interface ThreadBuffers {
  /** What was read; used within one synchronous call. */
  readonly read: Uint8Array;
  /** Header blocks while they are encoded; used within one synchronous call. */
  readonly headers: Uint8Array;
  readonly output: SlabPool;
  readonly small: SlabPool;
  readonly large: SlabPool;
}

let buffers: ThreadBuffers | undefined;

/** Each worker has its own module instance, so this is one set a thread; made at first use. */
export function threadBuffers(): ThreadBuffers {
  buffers ??= {
    read: Buffer.allocUnsafeSlow(256 * 1024),
    headers: Buffer.allocUnsafeSlow(64 * 1024),
    output: new SlabPool(outputDataBytes + outputControlBytes, 8),
    small: new SlabPool(4 * 1024, 64),
    large: new SlabPool(64 * 1024, 64),
  };
  return buffers;
}

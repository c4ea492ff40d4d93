/**
 * Buffers of one size that a thread's users take turns with: an owner holds one only while bytes wait in it, so an idle one
 * holds none. Free slabs are kept up to a bound, the rest goes back to the collector.
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

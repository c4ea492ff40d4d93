/** Buffers of one size, taken by many outputs in turn. */
export interface OutputSlabs {
  readonly slabBytes: number;
  take(): Uint8Array;
  giveBack(slab: Uint8Array): void;
}

const nothing: Uint8Array = new Uint8Array(0);

/**
 * The frames of a turn, which leave together. DATA fills a slab up to a bound only; the rest is for what must be said whatever
 * the peer reads, and a peer that makes us owe it more than that is disconnected. Empty, it holds no memory.
 *
 * A frame is written at `position` of `slab` after `reserve`, then `commit`ted. How bytes leave, a subclass says.
 */
export abstract class FrameOutput {
  readonly #sizes: readonly OutputSlabs[];
  readonly #maxDataBytes: number;
  #slabs: OutputSlabs | undefined;
  #slab: Uint8Array = nothing;
  /** What left of the slab already. */
  #start = 0;
  #position = 0;
  /** Nothing more can leave now; DATA is not made then. */
  isBlocked = false;
  /** A frame did not fit: the connection must end, and no frame is taken any more. */
  isOverrun = false;

  /** `sizes`: in growing order; a slab that is too small is replaced by a larger one. `maxDataBytes`: how far DATA may fill it. */
  constructor(sizes: readonly OutputSlabs[], maxDataBytes: number) {
    this.#sizes = sizes;
    this.#maxDataBytes = maxDataBytes;
  }

  /** Writes what waits, as far as it goes. False if that failed for good. */
  abstract flush(): boolean;

  /** Bytes of DATA frames, headers included, that may be made now. */
  get dataRoom(): number {
    return this.isBlocked ? 0 : this.#maxDataBytes - this.#position;
  }

  /** Bytes that wait to leave. */
  get length(): number {
    return this.#position - this.#start;
  }

  /** Where the next frame goes; valid until the next `reserve`. */
  get slab(): Uint8Array {
    return this.#slab;
  }

  get position(): number {
    return this.#position;
  }

  /** Makes room for a frame of so many bytes. False, and `isOverrun`, if the peer is owed too much. */
  reserve(bytes: number): boolean {
    if (this.isOverrun) return false;
    if (this.#position + bytes <= this.#slab.length || this.#grow(bytes)) return true;
    this.flush();
    if (this.#start > 0) {
      this.#slab.copyWithin(0, this.#start, this.#position);
      this.#position -= this.#start;
      this.#start = 0;
    }
    this.isOverrun = this.#position + bytes > this.#slab.length && !this.#grow(bytes);
    return !this.isOverrun;
  }

  /** Bytes up to `position` were written into the slab. */
  commit(position: number): void {
    this.#position = position;
  }

  /** Drops what waits. */
  release(): void {
    this.#slabs?.giveBack(this.#slab);
    this.#slabs = undefined;
    this.#slab = nothing;
    this.#start = 0;
    this.#position = 0;
  }

  /** Drops what waits of an output that was overrun, to say a last word. */
  discard(): void {
    this.release();
    this.isOverrun = false;
  }

  /** Where what waits begins in the slab. */
  protected get start(): number {
    return this.#start;
  }

  /** So many of the bytes that wait have left. */
  protected take(bytes: number): void {
    this.#start += bytes;
    if (this.#start === this.#position) this.release();
  }

  #grow(bytes: number): boolean {
    const needed = this.#position + bytes;
    for (const slabs of this.#sizes) {
      if (slabs.slabBytes < needed) continue;
      const grown = slabs.take();
      if (this.#position > 0) grown.set(this.#slab.subarray(0, this.#position));
      this.#slabs?.giveBack(this.#slab);
      this.#slabs = slabs;
      this.#slab = grown;
      return true;
    }
    return false;
  }
}

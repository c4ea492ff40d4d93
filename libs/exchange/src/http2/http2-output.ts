import type { ByteChannel } from '@ambit/net';

const smallBytes = 16 * 1024;
/** A slice of a large body with its frame headers. */
const mediumBytes = 80 * 1024;
const largeBytes = 512 * 1024;
/** DATA fills a slab up to here; the rest is for what must be said whatever the peer reads. */
const dataBytes = 256 * 1024;
/** Free slabs that a thread keeps of each size. */
const keptSmallSlabs = 64;
const keptMediumSlabs = 32;
const keptLargeSlabs = 8;

const smallSlabs: Uint8Array[] = [];
const mediumSlabs: Uint8Array[] = [];
const largeSlabs: Uint8Array[] = [];

/**
 * The frames of a turn, which leave with one write of the channel. While the channel takes no more, frames wait here: DATA is
 * not made then, and a peer that makes us owe it more control frames than fit is disconnected. Empty, it holds no memory.
 */
export class Http2Output {
  readonly #channel: ByteChannel;
  #slab: Uint8Array | undefined;
  #length = 0;
  /** The channel asked to wait. */
  isBlocked = false;
  /** A frame did not fit: the connection must end. */
  isOverrun = false;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
  }

  /** Bytes of DATA frames, headers included, that may be made now. */
  get dataRoom(): number {
    return this.isBlocked ? 0 : dataBytes - this.#length;
  }

  get length(): number {
    return this.#length;
  }

  /** Where the next frame goes, after `reserve`. */
  get slab(): Uint8Array {
    return this.#slab ?? nothing;
  }

  /** Makes room for so many bytes at `length`. False, and `isOverrun`, if the peer is owed too much. */
  reserve(bytes: number): boolean {
    const needed = this.#length + bytes;
    if (this.#slab !== undefined && needed <= this.#slab.length) return true;
    if (needed > largeBytes) {
      this.isOverrun = true;
      return false;
    }
    const grown = takeSlab(needed);
    if (this.#slab !== undefined) {
      grown.set(this.#slab.subarray(0, this.#length));
      giveBack(this.#slab);
    }
    this.#slab = grown;
    return true;
  }

  /** Bytes up to `position` were written. */
  commit(position: number): void {
    this.#length = position;
  }

  flush(): void {
    const slab = this.#slab;
    if (slab === undefined || this.isBlocked) return;
    if (this.#length > 0) this.isBlocked = !this.#channel.write(slab, 0, this.#length);
    this.release();
  }

  release(): void {
    if (this.#slab !== undefined) giveBack(this.#slab);
    this.#slab = undefined;
    this.#length = 0;
  }
}

const nothing: Uint8Array = new Uint8Array(0);

function takeSlab(bytes: number): Uint8Array {
  if (bytes <= smallBytes) return smallSlabs.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
  if (bytes <= mediumBytes) return mediumSlabs.pop() ?? Buffer.allocUnsafeSlow(mediumBytes);
  return largeSlabs.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
}

function giveBack(slab: Uint8Array): void {
  if (slab.length === smallBytes) {
    if (smallSlabs.length < keptSmallSlabs) smallSlabs.push(slab);
  } else if (slab.length === mediumBytes) {
    if (mediumSlabs.length < keptMediumSlabs) mediumSlabs.push(slab);
  } else if (largeSlabs.length < keptLargeSlabs) {
    largeSlabs.push(slab);
  }
}

/** Bytes a slab holds: a small one for the first bytes of a queue, large ones behind it. */
const smallSlabBytes = 4 * 1024;
const largeSlabBytes = 64 * 1024;
/** Free slabs that a thread keeps: enough small ones for a turn in which many connections write a little. */
const keptSmallSlabs = 1024;
const keptLargeSlabs = 64;

const smallSlabs: Uint8Array[] = [];
const largeSlabs: Uint8Array[] = [];

function takeSlab(isSmall: boolean): Uint8Array {
  return (isSmall ? smallSlabs : largeSlabs).pop() ?? Buffer.allocUnsafeSlow(isSmall ? smallSlabBytes : largeSlabBytes);
}

function giveBack(slab: Uint8Array): void {
  const isSmall = slab.length === smallSlabBytes;
  const free = isSmall ? smallSlabs : largeSlabs;
  if (free.length < (isSmall ? keptSmallSlabs : keptLargeSlabs)) free.push(slab);
}

class Chunk {
  readonly slab: Uint8Array;
  start = 0;
  end = 0;

  constructor(slab: Uint8Array) {
    this.slab = slab;
  }
}

/** Takes a part of a view that ends with the call; how many bytes, or a negative number. */
export type ByteTaker = (buffer: Uint8Array, offset: number, length: number) => number;

/**
 * Bytes that wait to leave, in slabs which the queues of a thread share: an empty queue holds none. Its owner bounds the
 * amount.
 */
export class ByteQueue {
  readonly #chunks: Chunk[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies. */
  append(buffer: Uint8Array, offset: number, length: number): void {
    let from = offset;
    const to = offset + length;
    while (from < to) {
      let tail = this.#chunks.at(-1);
      if (tail === undefined || tail.end === tail.slab.length) {
        tail = new Chunk(takeSlab(tail === undefined && to - from <= smallSlabBytes));
        this.#chunks.push(tail);
      }
      const take = Math.min(to - from, tail.slab.length - tail.end);
      tail.slab.set(buffer.subarray(from, from + take), tail.end);
      tail.end += take;
      from += take;
    }
    this.#length += length;
  }

  /**
   * Gives bytes to `taker`, in order, until it takes fewer than it was given, or answers a negative number, which is
   * returned. Otherwise returns how many were taken. `taker` must not change the queue.
   */
  drainTo(taker: ByteTaker): number {
    let total = 0;
    for (let head = this.#chunks[0]; head !== undefined; head = this.#chunks[0]) {
      const given = head.end - head.start;
      const taken = taker(head.slab, head.start, given);
      if (taken < 0) return taken;
      total += taken;
      head.start += taken;
      this.#length -= taken;
      if (taken < given) break;
      this.#chunks.shift();
      giveBack(head.slab);
    }
    return total;
  }

  clear(): void {
    for (const chunk of this.#chunks) giveBack(chunk.slab);
    this.#chunks.length = 0;
    this.#length = 0;
  }
}

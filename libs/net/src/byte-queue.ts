import { SlabPool } from './slab-pool.ts';

/** A small slab for the first bytes of a queue: enough are kept for a turn in which many connections write a little. */
const smallSlabs: SlabPool = new SlabPool(4 * 1024, 1024);
/** For what comes behind it. */
const largeSlabs: SlabPool = new SlabPool(64 * 1024, 64);

class Chunk {
  readonly pool: SlabPool;
  readonly slab: Uint8Array;
  start = 0;
  end = 0;

  constructor(pool: SlabPool) {
    this.pool = pool;
    this.slab = pool.take();
  }

  giveBack(): void {
    this.pool.giveBack(this.slab);
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
        const isSmall = tail === undefined && to - from <= smallSlabs.slabBytes;
        tail = new Chunk(isSmall ? smallSlabs : largeSlabs);
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
      head.giveBack();
    }
    return total;
  }

  /** Takes the bytes of the first slab out and hands them over, all of them; `take` may change the queue. How many. */
  handOver(take: (buffer: Uint8Array, offset: number, length: number) => void): number {
    const head = this.#chunks.shift();
    if (head === undefined) return 0;
    const length = head.end - head.start;
    this.#length -= length;
    take(head.slab, head.start, length);
    head.giveBack();
    return length;
  }

  clear(): void {
    for (const chunk of this.#chunks) chunk.giveBack();
    this.#chunks.length = 0;
    this.#length = 0;
  }
}

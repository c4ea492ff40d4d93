import { EAGAIN, io } from '@ambit/net';
import type { Fd } from '@ambit/net';

import { threadBuffers } from './slab-pool.ts';
import type { SlabPool } from './slab-pool.ts';

interface Chunk {
  readonly slab: Uint8Array;
  readonly pool: SlabPool;
  start: number;
  end: number;
}

/**
 * Bytes that wait for a slow descriptor, in pooled slabs. Its owner bounds the amount: for a stream, flow control does.
 */
export class PendingBytes {
  readonly #chunks: Chunk[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(buffer: Uint8Array, offset: number, length: number): void {
    let from = offset;
    const to = offset + length;
    while (from < to) {
      let tail = this.#chunks.at(-1);
      if (tail === undefined || tail.end === tail.slab.length) {
        const { small, large } = threadBuffers();
        const pool = tail === undefined && to - from <= small.slabBytes ? small : large;
        tail = { slab: pool.take(), pool, start: 0, end: 0 };
        this.#chunks.push(tail);
      }
      const take = Math.min(to - from, tail.slab.length - tail.end);
      tail.slab.set(buffer.subarray(from, from + take), tail.end);
      tail.end += take;
      from += take;
    }
    this.#length += length;
  }

  /** Writes as much as goes. Returns the bytes written, or -errno if nothing was written for another reason than EAGAIN. */
  writeTo(fd: Fd): number {
    let total = 0;
    let head = this.#chunks[0];
    while (head !== undefined) {
      const written = io.write(fd, head.slab, head.start, head.end - head.start);
      if (written < 0) {
        if (written === -EAGAIN || total > 0) break;
        return written;
      }
      total += written;
      head.start += written;
      if (head.start < head.end) break;
      head.pool.giveBack(head.slab);
      this.#chunks.shift();
      head = this.#chunks[0];
    }
    this.#length -= total;
    return total;
  }

  /** Hands the first slab's bytes to `take`, which takes all of them. Returns how many; 0 if there are none. */
  handOver(take: (buffer: Uint8Array, offset: number, length: number) => void): number {
    const head = this.#chunks.shift();
    if (head === undefined) return 0;
    const length = head.end - head.start;
    this.#length -= length;
    take(head.slab, head.start, length);
    head.pool.giveBack(head.slab);
    return length;
  }

  /** Drops everything; returns how much it was. */
  clear(): number {
    const length = this.#length;
    for (const chunk of this.#chunks) chunk.pool.giveBack(chunk.slab);
    this.#chunks.length = 0;
    this.#length = 0;
    return length;
  }
}

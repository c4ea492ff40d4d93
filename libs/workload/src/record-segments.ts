import { Buffer } from 'node:buffer';
import { WorkloadError } from './workload-error.ts';

/** Where an encoded record lies. */
export interface RecordRef {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * The memory that holds encoded records, shared between threads: written once by the owner of
 * the arena, read by everyone.
 */
export class RecordSegments {
  readonly #segments = new Map<number, Buffer>();

  get count(): number {
    return this.#segments.size;
  }

  add(id: number, memory: SharedArrayBuffer): void {
    this.#segments.set(id, Buffer.from(memory));
  }

  /** Forgets a segment that holds no live record; the memory goes when every thread has done so. */
  drop(id: number): void {
    this.#segments.delete(id);
  }

  /** The segment's memory; throws when it is not known, which is a bug of the sender. */
  bytes(id: number): Buffer {
    const memory = this.#segments.get(id);
    if (memory !== undefined) return memory;
    throw new WorkloadError('WORKLOAD_MALFORMED', `record refers to unknown segment ${id}`);
  }

  /** True when the two records hold the same bytes. */
  equal(a: RecordRef, b: RecordRef): boolean {
    if (a.length !== b.length) return false;
    const left = this.bytes(a.segment);
    const right = this.bytes(b.segment);
    const leftEnd = a.offset + a.length;
    return left.compare(right, b.offset, b.offset + b.length, a.offset, leftEnd) === 0;
  }
}

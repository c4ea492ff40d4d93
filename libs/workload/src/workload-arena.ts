import { toAmbitError } from '@ambit/runtime';

import type { AddressBatch } from './address-batch.ts';
import { decodeAddress, maxAddressBytes } from './decode-address.ts';
import type { RecordRef } from './record-segments.ts';
import { WorkloadError } from './workload-error.ts';
import { serviceKey } from './workload.ts';
import { WorkloadStore, type WorkloadStoreOptions } from './workload-store.ts';

interface Segment {
  readonly id: number;
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  used: number;
  live: number;
}

export interface WorkloadArenaOptions extends WorkloadStoreOptions {
  /** Size of a segment of shared memory. */
  readonly segmentBytes?: number;
}

/**
 * The one writer of encoded workloads and services, on the main thread. It validates each resource, writes it
 * once into shared memory, keeps a store of its own, and collects the changes for the stores
 * of other threads. Records that are replaced leave holes; a segment more than half empty is
 * moved together with the next batch.
 */
export class WorkloadArena {
  /** The main thread's own store. */
  readonly store: WorkloadStore;
  readonly #segmentBytes: number;
  readonly #segments = new Map<number, Segment>();
  #current: Segment | undefined;
  #nextSegment = 0;
  #newSegments: Segment[] = [];
  #changes: number[] = [];
  #removed: string[] = [];
  #deadBytes = 0;
  #liveBytes = 0;

  constructor(options: WorkloadArenaOptions = {}) {
    this.store = new WorkloadStore(options);
    this.#segmentBytes = options.segmentBytes ?? 256 * 1024;
  }

  /** Bytes of live records, and of all shared memory. */
  get usage(): { readonly liveBytes: number; readonly segmentBytes: number } {
    let segmentBytes = 0;
    for (const { memory } of this.#segments.values()) segmentBytes += memory.byteLength;
    return { liveBytes: this.#liveBytes, segmentBytes };
  }

  /**
   * Takes a resource over; false when it is known with the same bytes. Throws `WorkloadError`
   * when the resource must be NACKed; nothing has changed then.
   */
  upsert(bytes: Uint8Array): boolean {
    const address = decodeAddress(bytes);
    const name =
      address.kind === 'workload'
        ? address.workload.uid
        : serviceKey(address.service.namespace, address.service.hostname);
    const old = this.store.refOf(name);
    if (old !== undefined && this.#holds(old, bytes)) return false;
    const ref = this.#write(bytes);
    this.store.put(ref);
    if (old !== undefined) this.#release(old);
    this.#changes.push(ref.segment, ref.offset, ref.length);
    return true;
  }

  /** Takes over what it can; the rest, with the reasons for a NACK. */
  upsertAll(
    resources: readonly { readonly name: string; readonly value: Uint8Array }[],
  ): readonly { readonly name: string; readonly reason: string }[] {
    const rejections: { readonly name: string; readonly reason: string }[] = [];
    for (const { name, value } of resources) {
      try {
        this.upsert(value);
      } catch (error) {
        rejections.push({ name, reason: toAmbitError(error).message });
      }
    }
    return rejections;
  }

  /** Takes a resource out by name; false when it is not known. */
  remove(name: string): boolean {
    const old = this.store.refOf(name);
    if (old === undefined) return false;
    this.store.remove(name);
    this.#release(old);
    this.#changes.push(0, this.#removed.length, 0);
    this.#removed.push(name);
    return true;
  }

  /** The changes since the last call, to be posted to every thread; undefined when there are none. */
  takeBatch(): AddressBatch | undefined {
    if (this.#changes.length === 0) return undefined;
    this.#compact();
    const dropped: number[] = [];
    for (const segment of this.#segments.values()) {
      if (segment.live > 0 || segment === this.#current) continue;
      dropped.push(segment.id);
    }
    const batch: AddressBatch = {
      segments: this.#newSegments.map(({ id, memory }) => ({ id, memory })),
      changes: Uint32Array.from(this.#changes),
      removed: this.#removed,
      dropped,
    };
    for (const id of dropped) this.#drop(id);
    this.#newSegments = [];
    this.#changes = [];
    this.#removed = [];
    return batch;
  }

  /**
   * Everything as of the last `takeBatch`, for a thread that starts now. Call it right after
   * `takeBatch`, so that no change is in both.
   */
  snapshot(): AddressBatch {
    const changes: number[] = [];
    this.store.forEachRef((ref) => changes.push(ref.segment, ref.offset, ref.length));
    const segments = [...this.#segments.values()].map(({ id, memory }) => ({ id, memory }));
    return { segments, changes: Uint32Array.from(changes), removed: [], dropped: [] };
  }

  #holds(ref: RecordRef, bytes: Uint8Array): boolean {
    if (ref.length !== bytes.length) return false;
    const memory = this.store.segments.bytes(ref.segment);
    return memory.compare(bytes, 0, bytes.length, ref.offset, ref.offset + ref.length) === 0;
  }

  #write(bytes: Uint8Array): RecordRef {
    const { length } = bytes;
    if (length > maxAddressBytes) {
      throw new WorkloadError('WORKLOAD_TOO_LARGE', `resource of ${length} bytes`);
    }
    let segment = this.#current;
    if (segment === undefined || segment.bytes.length - segment.used < length) {
      segment = this.#addSegment(Math.max(this.#segmentBytes, length));
    }
    const offset = segment.used;
    segment.bytes.set(bytes, offset);
    segment.used += length;
    segment.live += length;
    this.#liveBytes += length;
    return { segment: segment.id, offset, length };
  }

  #addSegment(size: number): Segment {
    const memory = new SharedArrayBuffer(size);
    const id = this.#nextSegment++;
    const segment: Segment = { id, memory, bytes: new Uint8Array(memory), used: 0, live: 0 };
    this.#segments.set(id, segment);
    this.store.segments.add(id, memory);
    this.#newSegments.push(segment);
    this.#current = segment;
    return segment;
  }

  #release(ref: RecordRef): void {
    const segment = this.#segments.get(ref.segment);
    if (segment === undefined) return;
    segment.live -= ref.length;
    this.#liveBytes -= ref.length;
    this.#deadBytes += ref.length;
  }

  #drop(id: number): void {
    const segment = this.#segments.get(id);
    if (segment !== undefined) this.#deadBytes -= segment.used;
    this.#segments.delete(id);
    this.store.segments.drop(id);
  }

  /** Moves the records of sparse segments once more is dead than alive. */
  #compact(): void {
    if (this.#deadBytes < 4 * this.#segmentBytes || this.#deadBytes < this.#liveBytes) return;
    const sparse = new Set<number>();
    for (const segment of this.#segments.values()) {
      if (segment !== this.#current && segment.live * 2 < segment.used) sparse.add(segment.id);
    }
    const moving: RecordRef[] = [];
    this.store.forEachRef((ref) => {
      if (sparse.has(ref.segment)) moving.push(ref);
    });
    for (const ref of moving) {
      const memory = this.store.segments.bytes(ref.segment);
      const bytes = memory.subarray(ref.offset, ref.offset + ref.length);
      const moved = this.#write(bytes);
      this.store.put(moved);
      this.#release(ref);
      this.#changes.push(moved.segment, moved.offset, moved.length);
    }
  }
}

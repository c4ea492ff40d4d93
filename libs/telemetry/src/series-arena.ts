/**
 * Memory of the series of one writer thread: Float64 slots in shared segments, so that another thread can read values
 * without asking. Exactly one thread writes; 64-bit aligned stores do not tear on the supported machines.
 */

/** Slots of one segment (32 KiB). A series never crosses a segment. */
export const SEGMENT_SLOTS = 4096;

/** Where a series' first slot lies. */
export interface SlotAddress {
  readonly segment: number;
  readonly offset: number;
}

/** A slot range together with the view to write through. */
export interface SlotRange extends SlotAddress {
  readonly slots: Float64Array;
}

interface QuarantinedRange {
  readonly address: SlotAddress;
  readonly width: number;
  readonly freeAtMs: number;
}

/** Hands out slot ranges; ranges given back are reused only after a quarantine, when readers have heard of it. */
export class SeriesArena {
  readonly #segments: Float64Array[] = [];
  readonly #free = new Map<number, SlotAddress[]>();
  #quarantine: QuarantinedRange[] = [];
  #nextOffset = SEGMENT_SLOTS;
  readonly #onSegment: (segment: number, buffer: SharedArrayBuffer) => void;
  readonly #quarantineMs: number;

  /**
   * @param onSegment called for each new segment, before any slot of it is used
   * @param quarantineMs how long a range given back stays unused
   */
  constructor(onSegment: (segment: number, buffer: SharedArrayBuffer) => void, quarantineMs: number) {
    this.#onSegment = onSegment;
    this.#quarantineMs = quarantineMs;
  }

  /** Bytes of all segments. */
  get sizeBytes(): number {
    return this.#segments.length * SEGMENT_SLOTS * Float64Array.BYTES_PER_ELEMENT;
  }

  /** A zeroed range of `width` slots. @throws RangeError when `width` exceeds a segment */
  allocate(width: number): SlotRange {
    if (width < 1 || width > SEGMENT_SLOTS) throw new RangeError(`series width ${width} is outside a segment`);
    const reused = this.#free.get(width)?.pop();
    if (reused !== undefined) {
      const slots = this.#segment(reused.segment);
      slots.fill(0, reused.offset, reused.offset + width);
      return { ...reused, slots };
    }
    if (this.#nextOffset + width > SEGMENT_SLOTS) this.#grow();
    const segment = this.#segments.length - 1;
    const offset = this.#nextOffset;
    this.#nextOffset += width;
    return { segment, offset, slots: this.#segment(segment) };
  }

  /** Gives a range back; it is reused after the quarantine. */
  release(address: SlotAddress, width: number, nowMs: number): void {
    this.#quarantine.push({ address, width, freeAtMs: nowMs + this.#quarantineMs });
  }

  /** Ends quarantines that are over. */
  sweep(nowMs: number): void {
    const kept: QuarantinedRange[] = [];
    for (const range of this.#quarantine) {
      if (range.freeAtMs > nowMs) {
        kept.push(range);
        continue;
      }
      const list = this.#free.get(range.width);
      if (list === undefined) this.#free.set(range.width, [range.address]);
      else list.push(range.address);
    }
    this.#quarantine = kept;
  }

  #segment(index: number): Float64Array {
    const segment = this.#segments[index];
    if (segment === undefined) throw new RangeError(`no segment ${index}`);
    return segment;
  }

  #grow(): void {
    const buffer = new SharedArrayBuffer(SEGMENT_SLOTS * Float64Array.BYTES_PER_ELEMENT);
    this.#segments.push(new Float64Array(buffer));
    this.#nextOffset = 0;
    this.#onSegment(this.#segments.length - 1, buffer);
  }
}

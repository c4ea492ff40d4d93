/**
 * Bound series: what a connection holds and increments. One object exists per series, however many connections hold it.
 * Only the thread that bound a series may write it.
 */
import type { LabelSet } from './label-schema.ts';
import type { SlotAddress, SlotRange } from './series-arena.ts';

/** What every bound series shares. */
export abstract class Series {
  protected slots: Float64Array;
  protected index: number;
  readonly labels: LabelSet;
  readonly address: SlotAddress;
  /** Holders that have not released yet. */
  references = 0;
  /** Checksum of the slots and when it last changed, kept by the sweep. */
  sweptSum = 0;
  changedAtMs = 0;

  constructor(range: SlotRange, labels: LabelSet) {
    this.slots = range.slots;
    this.index = range.offset;
    this.labels = labels;
    this.address = { segment: range.segment, offset: range.offset };
  }

  /** Ends one holder's use. An unheld series that stays unchanged is retired by the registry's sweep. */
  release(): void {
    if (this.references > 0) this.references -= 1;
  }

  /** A copy of the slots. */
  read(width: number): number[] {
    return [...this.slots.subarray(this.index, this.index + width)];
  }

  /** Cuts the series from shared memory; a holder that writes on writes to nobody. */
  detach(width: number): void {
    this.slots = new Float64Array(width);
    this.index = 0;
  }
}

/** A value that only grows. */
export class Counter extends Series {
  /** Adds one. */
  inc(): void {
    this.slots[this.index] = (this.slots[this.index] ?? 0) + 1;
  }

  /** Adds `amount`; negative amounts and NaN are ignored, because a counter never falls. */
  add(amount: number): void {
    if (amount > 0) this.slots[this.index] = (this.slots[this.index] ?? 0) + amount;
  }

  get value(): number {
    return this.slots[this.index] ?? 0;
  }
}

/** A value that is set, or goes up and down. */
export class Gauge extends Series {
  set(value: number): void {
    this.slots[this.index] = value;
  }

  add(amount: number): void {
    this.slots[this.index] = (this.slots[this.index] ?? 0) + amount;
  }

  inc(): void {
    this.slots[this.index] = (this.slots[this.index] ?? 0) + 1;
  }

  dec(): void {
    this.slots[this.index] = (this.slots[this.index] ?? 0) - 1;
  }

  get value(): number {
    return this.slots[this.index] ?? 0;
  }
}

/** Observations counted by bucket. Slots: sum, then one count per boundary, then the count above the last one. */
export class Histogram extends Series {
  readonly #boundaries: Float64Array;

  constructor(range: SlotRange, labels: LabelSet, boundaries: Float64Array) {
    super(range, labels);
    this.#boundaries = boundaries;
  }

  /** Counts one observation; NaN is ignored. */
  observe(value: number): void {
    if (value !== value) return;
    const boundaries = this.#boundaries;
    let bucket = 0;
    while (bucket < boundaries.length && value > (boundaries[bucket] ?? Infinity)) bucket += 1;
    const slots = this.slots;
    const at = this.index + 1 + bucket;
    slots[this.index] = (slots[this.index] ?? 0) + value;
    slots[at] = (slots[at] ?? 0) + 1;
  }
}

/**
 * The reader's side: all series that writers announced, added up by label values. Values are read from shared memory at
 * the moment of the scrape; a writer thread is never asked and may be blocked or gone.
 */
import { OVERFLOW_VALUE } from './label-schema.ts';
import { renderLabels } from './label-text.ts';
import { type FamilyDescriptor, type MetricAnnouncement, seriesWidth } from './metric-announcement.ts';
import { SEGMENT_SLOTS } from './series-arena.ts';

/** One line (or one histogram) of the exposition. `values` has `seriesWidth` numbers. */
export interface SeriesSnapshot {
  /** Rendered `name="value",...` without braces, empty for a family without labels. */
  readonly labelText: string;
  readonly values: readonly number[];
}

/** A family with at least one series. */
export interface FamilySnapshot {
  readonly descriptor: FamilyDescriptor;
  readonly series: readonly SeriesSnapshot[];
}

/** A value computed at scrape time, for example the number of open descriptors. */
export interface ComputedSample {
  readonly labelValues: readonly string[];
  readonly value: number;
}

interface Part {
  readonly slots: Float64Array;
  readonly offset: number;
  readonly aggregate: Aggregate;
}

interface Aggregate {
  readonly labelText: string;
  readonly parts: Set<Part>;
  /** What retired parts had counted, so that the sum never falls while another writer still counts. */
  readonly residual: number[];
  emptySinceMs: number;
}

interface FamilyView {
  readonly descriptor: FamilyDescriptor;
  readonly width: number;
  readonly aggregates: Map<string, Aggregate>;
  readonly read: (() => Iterable<ComputedSample>) | undefined;
}

interface SourceView {
  readonly segments: Map<number, Float64Array>;
  readonly parts: Map<number, Part>;
}

/** @see module comment. Owned by the main thread. */
export class MetricView {
  readonly #families = new Map<string, FamilyView>();
  readonly #sources = new Map<string, SourceView>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Makes a family known, which fixes its place in the exposition. Declaring it again identically is allowed. */
  declare(descriptor: FamilyDescriptor, read?: () => Iterable<ComputedSample>): void {
    const known = this.#families.get(descriptor.name);
    if (known !== undefined) {
      if (!isSameShape(known.descriptor, descriptor)) {
        throw new RangeError(`metric ${descriptor.name} is declared twice with different shapes`);
      }
      return;
    }
    const width = seriesWidth(descriptor);
    this.#families.set(descriptor.name, { descriptor, width, aggregates: new Map(), read });
  }

  /**
   * Takes over one announcement of the writer `source`. Messages of one source must arrive in the order sent.
   * @throws RangeError for a message that does not fit what was announced before
   */
  mirror(source: string, message: MetricAnnouncement): void {
    switch (message.kind) {
      case 'segment':
        this.#source(source).segments.set(message.segment, new Float64Array(message.buffer));
        return;
      case 'family':
        this.declare(message.descriptor);
        return;
      case 'series':
        this.#addPart(source, message);
        return;
      case 'retired': {
        const { parts } = this.#source(source);
        const key = message.segment * SEGMENT_SLOTS + message.offset;
        const part = parts.get(key);
        if (part === undefined) throw new RangeError(`${source} retired an unknown series of ${message.family}`);
        parts.delete(key);
        this.#retire(part, message.finalValues);
        return;
      }
    }
  }

  /** Drops a writer that ended; what it had counted stays in the sums until it is idle. */
  forget(source: string): void {
    const view = this.#sources.get(source);
    if (view === undefined) return;
    for (const part of view.parts.values()) {
      const width = part.aggregate.residual.length;
      this.#retire(part, [...part.slots.subarray(part.offset, part.offset + width)]);
    }
    this.#sources.delete(source);
  }

  /** Every family that has a series now, in order of declaration. */
  *snapshot(): Generator<FamilySnapshot, void, void> {
    for (const family of this.#families.values()) {
      const series = family.read === undefined ? readAggregates(family) : readComputed(family, family.read);
      if (series.length > 0) yield { descriptor: family.descriptor, series };
    }
  }

  /** Number of series that a scrape would show, computed ones not counted. */
  get size(): number {
    let size = 0;
    for (const family of this.#families.values()) size += family.aggregates.size;
    return size;
  }

  /** Forgets series that no writer counts any more and that ended `idleMs` ago. */
  sweep(nowMs: number, idleMs: number): void {
    for (const family of this.#families.values()) {
      for (const [key, aggregate] of family.aggregates) {
        if (aggregate.parts.size === 0 && nowMs - aggregate.emptySinceMs >= idleMs) family.aggregates.delete(key);
      }
    }
  }

  #source(name: string): SourceView {
    const known = this.#sources.get(name);
    if (known !== undefined) return known;
    const created: SourceView = { segments: new Map(), parts: new Map() };
    this.#sources.set(name, created);
    return created;
  }

  #addPart(source: string, message: Extract<MetricAnnouncement, { kind: 'series' }>): void {
    const family = this.#families.get(message.family);
    const view = this.#source(source);
    const slots = view.segments.get(message.segment);
    if (family === undefined || slots === undefined) {
      throw new RangeError(`${source} announced a series of ${message.family} before its family or segment`);
    }
    if (message.offset < 0 || message.offset + family.width > slots.length) {
      throw new RangeError(`${source} announced a series of ${message.family} outside its segment`);
    }
    const aggregate = aggregateFor(family, message.labelValues);
    const part: Part = { slots, offset: message.offset, aggregate };
    aggregate.parts.add(part);
    view.parts.set(message.segment * SEGMENT_SLOTS + message.offset, part);
  }

  #retire(part: Part, finalValues: readonly number[]): void {
    const { aggregate } = part;
    aggregate.parts.delete(part);
    for (let slot = 0; slot < aggregate.residual.length; slot += 1) {
      aggregate.residual[slot] = (aggregate.residual[slot] ?? 0) + (finalValues[slot] ?? 0);
    }
    if (aggregate.parts.size === 0) aggregate.emptySinceMs = this.#nowMs();
  }
}

function aggregateFor(family: FamilyView, labelValues: readonly string[]): Aggregate {
  const { labelNames, maxSeries } = family.descriptor;
  let labelText = renderLabels(labelNames, labelValues);
  let known = family.aggregates.get(labelText);
  if (known !== undefined) return known;
  if (family.aggregates.size >= maxSeries) {
    labelText = renderLabels(
      labelNames,
      labelNames.map(() => OVERFLOW_VALUE),
    );
    known = family.aggregates.get(labelText);
    if (known !== undefined) return known;
  }
  const residual = Array.from({ length: family.width }, () => 0);
  const created: Aggregate = { labelText, parts: new Set(), residual, emptySinceMs: 0 };
  family.aggregates.set(labelText, created);
  return created;
}

function readAggregates(family: FamilyView): SeriesSnapshot[] {
  const series: SeriesSnapshot[] = [];
  for (const { labelText, parts, residual } of family.aggregates.values()) {
    const values = [...residual];
    for (const { slots, offset } of parts) {
      for (let slot = 0; slot < values.length; slot += 1) {
        values[slot] = (values[slot] ?? 0) + (slots[offset + slot] ?? 0);
      }
    }
    series.push({ labelText, values });
  }
  return series;
}

function readComputed(family: FamilyView, read: () => Iterable<ComputedSample>): SeriesSnapshot[] {
  const series: SeriesSnapshot[] = [];
  for (const { labelValues, value } of read()) {
    series.push({ labelText: renderLabels(family.descriptor.labelNames, labelValues), values: [value] });
  }
  return series;
}

function isSameShape(one: FamilyDescriptor, other: FamilyDescriptor): boolean {
  return (
    one.kind === other.kind &&
    one.labelNames.join() === other.labelNames.join() &&
    one.boundaries.join() === other.boundaries.join()
  );
}

/** A metric family of one writer thread: its series by label set, its budget, and the retirement of idle series. */
import type { LabelSchema, LabelSet, LabelValues } from './label-schema.ts';
import { type FamilyDescriptor, type MetricAnnouncement, seriesWidth } from './metric-announcement.ts';
import type { SeriesArena, SlotRange } from './series-arena.ts';
import type { Series } from './series.ts';

/** What a family needs from its registry. */
export interface FamilyContext {
  readonly arena: SeriesArena;
  announce(message: MetricAnnouncement): void;
  /** Called for each bind that the budget sent to the overflow series. */
  overflowed(family: string): void;
  nowMs(): number;
}

/** Binds label sets to series. Obtained from `MetricRegistry`. */
export class MetricFamily<Bound extends Series, const Names extends readonly string[] = readonly string[]> {
  readonly descriptor: FamilyDescriptor;
  readonly #schema: LabelSchema<Names>;
  readonly #context: FamilyContext;
  readonly #create: (range: SlotRange, labels: LabelSet) => Bound;
  readonly #series = new Map<LabelSet, Bound>();
  readonly #width: number;
  #isAnnounced = false;

  constructor(
    descriptor: FamilyDescriptor,
    schema: LabelSchema<Names>,
    context: FamilyContext,
    create: (range: SlotRange, labels: LabelSet) => Bound,
  ) {
    this.descriptor = descriptor;
    this.#schema = schema;
    this.#context = context;
    this.#create = create;
    this.#width = seriesWidth(descriptor);
  }

  /** Live series, the overflow series included. */
  get size(): number {
    return this.#series.size;
  }

  /**
   * The series of these labels, held until `release()`. Once `maxSeries` exist, new label sets share the overflow
   * series. Bind once per connection; increments are then free of lookups.
   */
  bind(labels: LabelSet | LabelValues<Names>): Bound {
    const set = isLabelSet(labels) ? labels : this.#schema.set(labels);
    const known = this.#series.get(set);
    if (known !== undefined) {
      known.references += 1;
      return known;
    }
    if (set !== this.#schema.overflow && this.#series.size >= this.descriptor.maxSeries) {
      this.#context.overflowed(this.descriptor.name);
      return this.bind(this.#schema.overflow);
    }
    return this.#add(set);
  }

  /** Retires unheld series whose value did not change for `idleMs`. */
  sweep(nowMs: number, idleMs: number): void {
    for (const [set, series] of this.#series) {
      const values = series.read(this.#width);
      let sum = 0;
      for (const value of values) sum += value;
      if (series.references > 0 || sum !== series.sweptSum) {
        series.sweptSum = sum;
        series.changedAtMs = nowMs;
      } else if (nowMs - series.changedAtMs >= idleMs) {
        this.#retire(set, series, values, nowMs);
      }
    }
  }

  #add(set: LabelSet): Bound {
    const { arena, announce } = this.#context;
    if (!this.#isAnnounced) {
      this.#isAnnounced = true;
      announce({ kind: 'family', descriptor: this.descriptor });
    }
    const range = arena.allocate(this.#width);
    const series = this.#create(range, set);
    series.references = 1;
    series.changedAtMs = this.#context.nowMs();
    this.#series.set(set, series);
    set.seriesCount += 1;
    const { segment, offset } = range;
    announce({ kind: 'series', family: this.descriptor.name, segment, offset, labelValues: set.values });
    return series;
  }

  #retire(set: LabelSet, series: Bound, finalValues: readonly number[], nowMs: number): void {
    this.#series.delete(set);
    set.seriesCount -= 1;
    series.detach(this.#width);
    this.#context.arena.release(series.address, this.#width, nowMs);
    this.#context.announce({ kind: 'retired', family: this.descriptor.name, ...series.address, finalValues });
  }
}

function isLabelSet(labels: LabelSet | readonly string[]): labels is LabelSet {
  return 'key' in labels;
}

/**
 * The registry of one thread. In a worker it announces its series; in the main thread (no `announce` given) it is also
 * the view that mirrors the workers and answers scrapes. No timers: whoever owns the loop calls `sweep`.
 */
import { renderExposition } from './exposition.ts';
import { LabelSchema } from './label-schema.ts';
import type { FamilyDescriptor, MetricAnnouncement, MetricKind } from './metric-announcement.ts';
import { type FamilyContext, MetricFamily } from './metric-family.ts';
import { type ComputedSample, MetricView } from './metric-view.ts';
import { SeriesArena } from './series-arena.ts';
import { Counter, Gauge, Histogram, type Series } from './series.ts';

/** Settings of a registry; all have defaults. */
export interface MetricRegistryOptions {
  /** Where announcements go. Given in a worker (`port.postMessage`); left out in the thread that is scraped. */
  readonly announce?: (message: MetricAnnouncement) => void;
  /** Series per family unless the family says otherwise. Default 2000. */
  readonly maxSeries?: number;
  /** A series that nobody holds and that did not change for this long is retired. Default 15 min. */
  readonly idleMs?: number;
  /** Monotonic time. Default `performance.now`. */
  readonly nowMs?: () => number;
}

/** A family to be made. Counter names are without `_total`. */
export interface FamilyOptions<Names extends readonly string[]> {
  readonly name: string;
  /** One sentence; a full stop is added when missing. */
  readonly help: string;
  readonly labels?: LabelSchema<Names>;
  readonly maxSeries?: number;
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LOCAL_SOURCE = 'local';
/** Long enough for a main thread that is seconds behind to hear that a slot range changed hands. */
const QUARANTINE_MS = 60_000;
const NO_LABELS: readonly [] = [];

/** @see module comment */
export class MetricRegistry {
  readonly #view: MetricView | undefined;
  readonly #arena: SeriesArena;
  readonly #context: FamilyContext;
  readonly #families = new Map<string, MetricFamily<Series>>();
  readonly #schemas = new Set<LabelSchema>();
  readonly #unlabelled = new LabelSchema(NO_LABELS);
  readonly #defaultMaxSeries: number;
  readonly #idleMs: number;
  #overflows: MetricFamily<Counter, readonly ['family']> | undefined;

  constructor(options: MetricRegistryOptions = {}) {
    const nowMs = options.nowMs ?? ((): number => performance.now());
    this.#defaultMaxSeries = options.maxSeries ?? 2000;
    this.#idleMs = options.idleMs ?? 15 * 60_000;
    const view = options.announce === undefined ? new MetricView(nowMs) : undefined;
    this.#view = view;
    const announce = options.announce ?? ((message: MetricAnnouncement): void => view?.mirror(LOCAL_SOURCE, message));
    this.#arena = new SeriesArena((segment, buffer) => announce({ kind: 'segment', segment, buffer }), QUARANTINE_MS);
    this.#context = { arena: this.#arena, announce, nowMs, overflowed: (family) => this.#countOverflow(family) };
  }

  /** A schema that families of this registry share; label sets of one schema can be bound to each of them. */
  labels<const Names extends readonly string[]>(names: Names): LabelSchema<Names> {
    const schema = new LabelSchema(names);
    this.#schemas.add(schema);
    return schema;
  }

  /** @throws RangeError for a bad name, a name in use, or a name that ends in `_total` */
  counter<const Names extends readonly string[] = readonly []>(
    options: FamilyOptions<Names>,
  ): MetricFamily<Counter, Names> {
    if (options.name.endsWith('_total')) throw new RangeError(`counter ${options.name}: leave out _total`);
    return this.#family('counter', options, [], (range, labels) => new Counter(range, labels));
  }

  /** Values of several writers with the same labels are added up. @throws RangeError for a bad name or one in use */
  gauge<const Names extends readonly string[] = readonly []>(
    options: FamilyOptions<Names>,
  ): MetricFamily<Gauge, Names> {
    return this.#family('gauge', options, [], (range, labels) => new Gauge(range, labels));
  }

  /**
   * @param boundaries upper bounds, ascending, without infinity
   * @throws RangeError for a bad name, one in use, or bounds that do not ascend
   */
  histogram<const Names extends readonly string[] = readonly []>(
    options: FamilyOptions<Names>,
    boundaries: readonly number[],
  ): MetricFamily<Histogram, Names> {
    if (boundaries.some((bound, index) => !Number.isFinite(bound) || bound <= (boundaries[index - 1] ?? -Infinity))) {
      throw new RangeError(`histogram ${options.name}: bounds must be finite and ascend`);
    }
    const bounds = Float64Array.from(boundaries);
    return this.#family('histogram', options, boundaries, (range, labels) => new Histogram(range, labels, bounds));
  }

  /**
   * A family whose values are computed when scraped; main thread only. Computed counters carry `_total` like others.
   * @throws RangeError in a worker's registry
   */
  computed(
    kind: 'counter' | 'gauge',
    options: { readonly name: string; readonly help: string; readonly labelNames?: readonly string[] },
    read: () => Iterable<ComputedSample>,
  ): void {
    const { name, help, labelNames = [] } = options;
    this.#mainView().declare(describe(kind, name, help, labelNames, Number.MAX_SAFE_INTEGER, []), read);
  }

  /** Feeds one announcement of another thread. @throws RangeError for one that does not fit, or in a worker */
  mirror(source: string, message: MetricAnnouncement): void {
    if (source === LOCAL_SOURCE) throw new RangeError(`a writer cannot be called ${LOCAL_SOURCE}`);
    this.#mainView().mirror(source, message);
  }

  /** Keeps the sums of a thread that ended, drops its memory. */
  forget(source: string): void {
    this.#mainView().forget(source);
  }

  /** The scrape's text. @throws RangeError in a worker's registry */
  expose(): string {
    return renderExposition(this.#mainView().snapshot());
  }

  /** Retires idle series and frees what readers have forgotten; call every 10-60 s. */
  sweep(): void {
    const nowMs = this.#context.nowMs();
    for (const family of this.#families.values()) family.sweep(nowMs, this.#idleMs);
    for (const schema of this.#schemas) schema.sweep();
    this.#arena.sweep(nowMs);
    this.#view?.sweep(nowMs, this.#idleMs);
  }

  /** Shared memory of this thread's series, in bytes. */
  get arenaBytes(): number {
    return this.#arena.sizeBytes;
  }

  #mainView(): MetricView {
    if (this.#view === undefined) throw new RangeError('this registry announces its series and cannot be scraped');
    return this.#view;
  }

  #family<Bound extends Series, const Names extends readonly string[]>(
    kind: MetricKind,
    options: FamilyOptions<Names>,
    boundaries: readonly number[],
    create: ConstructorParameters<typeof MetricFamily<Bound, Names>>[3],
  ): MetricFamily<Bound, Names> {
    const { name, help, maxSeries = this.#defaultMaxSeries } = options;
    if (this.#families.has(name)) throw new RangeError(`metric ${name} exists already`);
    // Without a schema there are no names, so Names is the empty tuple and the shared schema fits.
    const schema = options.labels ?? (this.#unlabelled as unknown as LabelSchema<Names>);
    const descriptor = describe(kind, name, help, schema.names, maxSeries, boundaries);
    this.#view?.declare(descriptor);
    const family = new MetricFamily<Bound, Names>(descriptor, schema, this.#context, create);
    this.#families.set(name, family as unknown as MetricFamily<Series>);
    return family;
  }

  #countOverflow(family: string): void {
    this.#overflows ??= this.counter({
      name: 'ambit_metrics_series_overflow',
      help: 'Binds that found the series budget of their family used up',
      labels: this.labels(['family']),
      maxSeries: Number.MAX_SAFE_INTEGER,
    });
    const counter = this.#overflows.bind([family]);
    counter.inc();
    counter.release();
  }
}

function describe(
  kind: MetricKind,
  name: string,
  help: string,
  labelNames: readonly string[],
  maxSeries: number,
  boundaries: readonly number[],
): FamilyDescriptor {
  if (!METRIC_NAME.test(name)) throw new RangeError(`not usable as a metric name: ${name}`);
  const sentence = help.endsWith('.') ? help : `${help}.`;
  return { name, kind, help: sentence, labelNames, maxSeries, boundaries };
}

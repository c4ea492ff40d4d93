/**
 * Label names of a group of metric families and the value sets interned for them.
 * A connection interns its values once and binds several families with the result; nothing here renders text.
 */

/** Values in the order of the schema's names. */
export type LabelValues<Names extends readonly string[]> = { readonly [Index in keyof Names]: string };

const SEPARATOR = '\u0000';
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** The value that stands for every label once a family's series budget is used up. */
export const OVERFLOW_VALUE = 'overflow';

/** One interned combination of label values. Identity comparison is equality within a schema. */
export class LabelSet {
  readonly values: readonly string[];
  readonly key: string;
  /** Series that use this set; owned by the families of the same registry. */
  seriesCount = 0;
  /** True once a sweep has seen the set without series; the next sweep forgets it. */
  isStale = false;

  constructor(values: readonly string[], key: string) {
    this.values = values;
    this.key = key;
  }
}

/** Interns label values. Owned by one registry (one thread); not thread safe and not shared. */
export class LabelSchema<const Names extends readonly string[] = readonly string[]> {
  readonly names: Names;
  readonly overflow: LabelSet;
  readonly #sets = new Map<string, LabelSet>();

  /** @throws RangeError for a label name outside Prometheus' grammar or given twice */
  constructor(names: Names) {
    for (const name of names) {
      if (!LABEL_NAME.test(name) || name === 'le') throw new RangeError(`not usable as a label name: ${name}`);
    }
    if (new Set(names).size !== names.length) throw new RangeError(`a label name is repeated: ${names.join(', ')}`);
    this.names = names;
    const values = names.map(() => OVERFLOW_VALUE);
    this.overflow = new LabelSet(values, values.join(SEPARATOR));
    this.#sets.set(this.overflow.key, this.overflow);
  }

  /** Number of interned sets, for tests and the memory report. */
  get size(): number {
    return this.#sets.size;
  }

  /**
   * The set for these values; about one microsecond for thirty labels. Values that contain NUL or are too few or too
   * many cannot name a series and give the overflow set.
   */
  set(values: LabelValues<Names>): LabelSet {
    // The mapped tuple type is an array of strings for every Names; the compiler cannot see it for an open Names.
    const list: readonly string[] = values;
    const key = list.join(SEPARATOR);
    const known = this.#sets.get(key);
    if (known !== undefined) {
      known.isStale = false;
      return known;
    }
    // Stored keys hold exactly length-1 separators, so a value with a NUL can never meet another set's key.
    if (list.length !== this.names.length || list.some((value) => value.includes(SEPARATOR))) return this.overflow;
    const created = new LabelSet([...list], key);
    this.#sets.set(key, created);
    return created;
  }

  /** Forgets sets that had no series at this and the previous call. */
  sweep(): void {
    for (const [key, set] of this.#sets) {
      if (set.seriesCount > 0 || set === this.overflow) set.isStale = false;
      else if (set.isStale) this.#sets.delete(key);
      else set.isStale = true;
    }
  }
}

/** What a reflector knows of a kind: pure state, changed by events, told apart as differences. */
import type { PlainObject } from '../object-reader.ts';
import { objectKey, versionOf } from './watch-event.ts';

/** One difference. Values are replaced, never changed. */
export type Reflected<T> =
  | { readonly kind: 'set'; readonly key: string; readonly value: T; readonly previous: T | undefined }
  | { readonly kind: 'delete'; readonly key: string; readonly previous: T };

/** Reads an object into what is kept of it. Giving `previous` back says that nothing that matters has changed. */
export type ReadObject<T> = (object: PlainObject, previous: T | undefined) => T;

interface Entry<T> {
  readonly resourceVersion: string;
  readonly value: T;
}

/**
 * Objects by key. A list replaces everything, but only when it is complete: `beginList`, `listed` for each object,
 * `endList`. Until then the state before stays.
 */
export class ReflectedTable<T> {
  readonly #read: ReadObject<T>;
  #entries = new Map<string, Entry<T>>();
  #list: Map<string, Entry<T>> | undefined;

  constructor(read: ReadObject<T>) {
    this.#read = read;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  *values(): Generator<T, void, void> {
    for (const entry of this.#entries.values()) yield entry.value;
  }

  /** Begins a list anew; what an unfinished one has brought is forgotten. */
  beginList(): void {
    this.#list = new Map();
  }

  /** True between `beginList` and `endList`. */
  get isListing(): boolean {
    return this.#list !== undefined;
  }

  /** Takes an object over; the difference is given unless it belongs to a list under way. */
  set(object: PlainObject): Reflected<T> | undefined {
    const key = objectKey(object);
    if (key === undefined) return undefined;
    const target = this.#list ?? this.#entries;
    const known = target.get(key) ?? this.#entries.get(key);
    const resourceVersion = versionOf(object);
    const isKnown = known !== undefined && known.resourceVersion === resourceVersion && resourceVersion !== '';
    const entry = isKnown ? known : { resourceVersion, value: this.#read(object, known?.value) };
    target.set(key, entry);
    if (target === this.#list || entry.value === known?.value) return undefined;
    return { kind: 'set', key, value: entry.value, previous: known?.value };
  }

  delete(key: string): Reflected<T> | undefined {
    if (this.#list !== undefined) {
      this.#list.delete(key);
      return undefined;
    }
    const known = this.#entries.get(key);
    if (known === undefined) return undefined;
    this.#entries.delete(key);
    return { kind: 'delete', key, previous: known.value };
  }

  /** Puts the list in force and gives the differences, deletions first. */
  endList(): readonly Reflected<T>[] {
    const before = this.#entries;
    const after = this.#list ?? before;
    this.#list = undefined;
    this.#entries = after;
    const changes: Reflected<T>[] = [];
    for (const [key, { value }] of before) if (!after.has(key)) changes.push({ kind: 'delete', key, previous: value });
    for (const [key, { value }] of after) {
      const previous = before.get(key)?.value;
      if (previous !== value) changes.push({ kind: 'set', key, value, previous });
    }
    return changes;
  }
}

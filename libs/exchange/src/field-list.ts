import { isFieldName, isFieldValue } from '@ambit/http';

/**
 * The fields of a message in their order: names in lower case, values as Latin-1 text, repeated fields kept apart. What a
 * connection puts in has been checked; text of configuration and of other services goes in through `addChecked`.
 */
export class FieldList {
  /** Names and values, alternating. */
  readonly #entries: string[] = [];

  get length(): number {
    return this.#entries.length / 2;
  }

  nameAt(index: number): string {
    return this.#entries[index * 2] ?? '';
  }

  valueAt(index: number): string {
    return this.#entries[index * 2 + 1] ?? '';
  }

  /** The first value. */
  get(lowerName: string): string | undefined {
    const entries = this.#entries;
    for (let i = 0; i < entries.length; i += 2) if (entries[i] === lowerName) return entries[i + 1];
    return undefined;
  }

  has(lowerName: string): boolean {
    return this.get(lowerName) !== undefined;
  }

  /** All values joined with a comma, as rules see a repeated field; undefined if absent. */
  joined(lowerName: string): string | undefined {
    const entries = this.#entries;
    let joined: string | undefined;
    for (let i = 0; i < entries.length; i += 2) {
      if (entries[i] !== lowerName) continue;
      const value = entries[i + 1] ?? '';
      joined = joined === undefined ? value : `${joined},${value}`;
    }
    return joined;
  }

  /** For names and values that are known to be legal. */
  add(lowerName: string, value: string): void {
    this.#entries.push(lowerName, value);
  }

  /** False, and nothing is added, when the name or the value could split or change a message. */
  addChecked(name: string, value: string): boolean {
    const lowerName = name.toLowerCase();
    if (!isFieldName(lowerName) || !isFieldValue(value)) return false;
    this.#entries.push(lowerName, value);
    return true;
  }

  /** One field of this name, in the place of the first; for legal names and values. */
  set(lowerName: string, value: string): void {
    const entries = this.#entries;
    for (let i = 0; i < entries.length; i += 2) {
      if (entries[i] !== lowerName) continue;
      entries[i + 1] = value;
      this.#removeFrom(i + 2, lowerName);
      return;
    }
    entries.push(lowerName, value);
  }

  /** True when there was one. */
  remove(lowerName: string): boolean {
    return this.#removeFrom(0, lowerName);
  }

  copy(): FieldList {
    const copy = new FieldList();
    copy.#entries.push(...this.#entries);
    return copy;
  }

  #removeFrom(start: number, lowerName: string): boolean {
    const entries = this.#entries;
    let to = start;
    for (let from = start; from < entries.length; from += 2) {
      if (entries[from] === lowerName) continue;
      if (to !== from) {
        entries[to] = entries[from] ?? '';
        entries[to + 1] = entries[from + 1] ?? '';
      }
      to += 2;
    }
    // Setting the length is a call into the engine even if it stays the same.
    if (to === entries.length) return false;
    entries.length = to;
    return true;
  }
}

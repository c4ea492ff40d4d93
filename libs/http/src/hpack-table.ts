/**
 * The dynamic table of one HPACK direction: a ring of entries, newest first, bounded in bytes.
 * Sizes count a name's and a value's bytes plus 32. Strings hold one byte a character (latin1).
 * Spec: RFC 7541 sections 2.3.2 and 4.
 */
export class HpackTable {
  #names: string[] = [];
  #values: string[] = [];
  /** Position of the oldest entry; entries before it are already empty. */
  #oldest = 0;
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#names.length - this.#oldest;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Name of the entry with position `index`, 0 is the newest; undefined beyond the end. */
  name(index: number): string | undefined {
    return index < this.length ? this.#names[this.#names.length - 1 - index] : undefined;
  }

  value(index: number): string {
    return this.#values[this.#values.length - 1 - index] ?? '';
  }

  /** Adds an entry in front; one larger than the table empties it and is not kept. */
  add(name: string, value: string): void {
    const size = entryBytes(name, value);
    this.#evict(this.#maxBytes - size);
    if (size > this.#maxBytes) return;
    this.#names.push(name);
    this.#values.push(value);
    this.#bytes += size;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  /** Position of the newest entry with this name and value, or -1. */
  find(name: string, value: string): number {
    for (let i = this.#names.length - 1; i >= this.#oldest; i--) {
      if (this.#names[i] === name && this.#values[i] === value) return this.#names.length - 1 - i;
    }
    return -1;
  }

  /** Position of the newest entry with this name, or -1. */
  findName(name: string): number {
    const at = this.#names.lastIndexOf(name);
    return at >= this.#oldest ? this.#names.length - 1 - at : -1;
  }

  #evict(target: number): void {
    while (this.#bytes > target && this.#oldest < this.#names.length) {
      const at = this.#oldest++;
      this.#bytes -= entryBytes(this.#names[at] ?? '', this.#values[at] ?? '');
      this.#names[at] = '';
      this.#values[at] = '';
    }
    // Amortised: what is dropped here is at least half of the array.
    if (this.#oldest > 64 && this.#oldest * 2 > this.#names.length) {
      this.#names = this.#names.slice(this.#oldest);
      this.#values = this.#values.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}

/** Size of a header in a table and in a header list. */
export function entryBytes(name: string, value: string): number {
  return name.length + value.length + 32;
}

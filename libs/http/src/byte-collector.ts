/**
 * Gathers bytes that arrive in pieces. Grows with what has arrived, never with what was announced, so that a peer pays
 * for the memory it makes us hold. The caller bounds the total.
 */
export class ByteCollector {
  #bytes: Uint8Array = empty;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The storage; bytes 0 to `length` are valid until the next append or clear. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  append(source: Uint8Array, offset: number, length: number): void {
    const needed = this.#length + length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(64, needed, Math.min(needed * 2, needed + 65_536)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    const target = this.#bytes;
    if (length <= 32) {
      // Cheaper than a subarray object for the usual leftovers of a few bytes.
      for (let i = 0; i < length; i++) target[this.#length + i] = source[offset + i] ?? 0;
    } else {
      target.set(source.subarray(offset, offset + length), this.#length);
    }
    this.#length = needed;
  }

  /** Forgets the bytes; storage over 1 KiB goes back to the collector of garbage, so an idle owner stays small. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > 1024) this.#bytes = empty;
  }
}

const empty: Uint8Array = new Uint8Array(0);

import { isFieldName, isFieldValue } from '../header-field.ts';

/**
 * Writes a head as bytes into one buffer that grows and is kept. No check of what is copied from a scanned head; text that
 * comes from configuration or an extension goes through `textField`, which refuses what could split a message.
 */
export class HeadBuilder {
  #bytes: Uint8Array;
  #length = 0;

  constructor(initialBytes = 1024) {
    this.#bytes = new Uint8Array(initialBytes);
  }

  /** The storage; `length` bytes are valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Latin-1 text that is known to be harmless: constants, numbers, checked values. */
  text(text: string): void {
    const at = this.#reserve(text.length);
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }

  /** Bytes of a scanned head. */
  slice(buffer: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const at = this.#reserve(length);
    const bytes = this.#bytes;
    if (length < 48) for (let i = 0; i < length; i++) bytes[at + i] = buffer[from + i] ?? 0;
    else bytes.set(buffer.subarray(from, to), at);
  }

  /** A field name of a scanned head, in lower case. */
  lowerSlice(buffer: Uint8Array, from: number, to: number): void {
    const at = this.#reserve(to - from);
    const bytes = this.#bytes;
    for (let i = 0; i < to - from; i++) {
      const octet = buffer[from + i] ?? 0;
      bytes[at + i] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
    }
  }

  /** `name: value` and its line end. Throws RangeError on text that is no legal field. */
  textField(name: string, value: string): void {
    if (!isFieldName(name) || !isFieldValue(value)) throw new RangeError(`not a legal field: ${JSON.stringify(name)}`);
    this.text(name);
    this.text(': ');
    this.text(value);
    this.endLine();
  }

  endLine(): void {
    const at = this.#reserve(2);
    this.#bytes[at] = 0x0d;
    this.#bytes[at + 1] = 0x0a;
  }

  #reserve(length: number): number {
    const at = this.#length;
    const needed = at + length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

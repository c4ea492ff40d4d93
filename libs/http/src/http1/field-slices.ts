import { Http1Error } from './http1-error.ts';

const numbersPerField = 4;

/**
 * Fields of a head as positions in the bytes they arrived in: nothing is copied or decoded until somebody asks.
 * Reused from message to message by its owner; the views are valid while the buffer is.
 */
export class FieldSlices {
  #buffer: Uint8Array = none;
  #positions: Int32Array = new Int32Array(32 * numbersPerField);
  #count = 0;

  /** Forgets the previous message. */
  reset(buffer: Uint8Array): void {
    this.#buffer = buffer;
    this.#count = 0;
  }

  get count(): number {
    return this.#count;
  }

  get buffer(): Uint8Array {
    return this.#buffer;
  }

  add(nameFrom: number, nameTo: number, valueFrom: number, valueTo: number, maxFields: number): void {
    if (this.#count >= maxFields) throw new Http1Error('too_many_fields', `more than ${maxFields} fields`, 431);
    const at = this.#count * numbersPerField;
    if (at >= this.#positions.length) {
      const grown = new Int32Array(this.#positions.length * 2);
      grown.set(this.#positions);
      this.#positions = grown;
    }
    this.#positions[at] = nameFrom;
    this.#positions[at + 1] = nameTo;
    this.#positions[at + 2] = valueFrom;
    this.#positions[at + 3] = valueTo;
    this.#count += 1;
  }

  nameFrom(index: number): number {
    return this.#positions[index * numbersPerField] ?? 0;
  }

  nameTo(index: number): number {
    return this.#positions[index * numbersPerField + 1] ?? 0;
  }

  valueFrom(index: number): number {
    return this.#positions[index * numbersPerField + 2] ?? 0;
  }

  valueTo(index: number): number {
    return this.#positions[index * numbersPerField + 3] ?? 0;
  }

  /** The name in lower case. */
  name(index: number): string {
    return asciiText(this.#buffer, this.nameFrom(index), this.nameTo(index)).toLowerCase();
  }

  /** The value, octets above ASCII as Latin-1. */
  value(index: number): string {
    return asciiText(this.#buffer, this.valueFrom(index), this.valueTo(index));
  }

  /** Whether the field has this name; `lowerName` in lower case. No allocation. */
  isNamed(index: number, lowerName: string): boolean {
    return equalsLower(this.#buffer, this.nameFrom(index), this.nameTo(index), lowerName);
  }

  /** The index of the first field of this name at or after `from`, or -1. */
  indexOf(lowerName: string, from = 0): number {
    for (let i = from; i < this.#count; i++) if (this.isNamed(i, lowerName)) return i;
    return -1;
  }

  /** All values of a name joined with a comma, as policies and routes read repeated fields; undefined if there is none. */
  joined(lowerName: string): string | undefined {
    let i = this.indexOf(lowerName);
    if (i < 0) return undefined;
    let text = this.value(i);
    for (i = this.indexOf(lowerName, i + 1); i >= 0; i = this.indexOf(lowerName, i + 1)) text += `,${this.value(i)}`;
    return text;
  }
}

const none: Uint8Array = new Uint8Array(0);

/** Bytes as Latin-1 text. Short strings are put together by hand, which is several times cheaper than a decoder. */
export function asciiText(buffer: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += String.fromCharCode(buffer[i] ?? 0);
  return text;
}

/** Whether the bytes are `lower` when letters are folded. `lower` must be lower-case ASCII. */
export function equalsLower(buffer: Uint8Array, from: number, to: number, lower: string): boolean {
  if (to - from !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    let octet = buffer[from + i] ?? 0;
    if (octet >= 0x41 && octet <= 0x5a) octet |= 0x20;
    if (octet !== lower.charCodeAt(i)) return false;
  }
  return true;
}

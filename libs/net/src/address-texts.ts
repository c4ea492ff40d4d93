import { formatIp } from './ip-address.ts';

/** A power of two. */
const slots = 512;

/**
 * Texts of the IPv4 addresses seen lately. The sockets of a busy pair of pods name the same addresses again and again: one
 * string for each is not built, hashed and compared anew. One slot an address; a newer one takes the place of an older.
 */
export class AddressTexts {
  readonly #values: Uint32Array = new Uint32Array(slots);
  readonly #texts: (string | undefined)[] = Array.from({ length: slots }, () => undefined);

  /** Text of the four bytes at the beginning of `bytes`. */
  textOf(bytes: Uint8Array): string {
    const value = (((bytes[0] ?? 0) << 24) | ((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)) >>> 0;
    const slot = (value ^ (value >>> 9) ^ (value >>> 18)) & (slots - 1);
    const known = this.#texts[slot];
    if (known !== undefined && this.#values[slot] === value) return known;
    const text = formatIp(bytes, 0, 4);
    this.#values[slot] = value;
    this.#texts[slot] = text;
    return text;
  }
}

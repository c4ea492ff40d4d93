import { staticNameIndex, staticNames, staticTableSize, staticValues } from './hpack-static-table.ts';
import { entryBytes, HpackTable } from './hpack-table.ts';
import { encodeHuffman, huffmanByteLength } from './huffman-encoder.ts';

/**
 * How a field is written: `index` adds it to the table (same value expected again), `plain` does not,
 * `never` also tells intermediaries not to.
 */
export type HeaderIndexing = 'index' | 'plain' | 'never';

/**
 * HPACK encoder of one connection direction; keeps the dynamic table.
 *
 * Writes into the caller's buffer. Room needed at most: `maxEncodedBytes(name, value)` a field and 12 bytes for `begin`.
 * Huffman coding is off unless asked for: on a mesh's links bytes are cheaper than the CPU. Spec: RFC 7541.
 */
export class HpackEncoder {
  readonly #table: HpackTable;
  readonly #huffman: boolean;
  readonly #replacesIllegal: boolean;
  #smallest = -1;

  /**
   * `maxTableBytes`: our own bound; a peer's larger offer is not used. `replacesIllegal`: what no field may hold is written as
   * a blank (not with Huffman coding), since it could split the message where it is translated to HTTP/1.1.
   */
  constructor(maxTableBytes = 4096, huffman = false, replacesIllegal = false) {
    this.#table = new HpackTable(maxTableBytes);
    this.#ownMaxBytes = maxTableBytes;
    this.#huffman = huffman;
    this.#replacesIllegal = replacesIllegal;
  }

  readonly #ownMaxBytes: number;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE changed; the next block announces the new size. */
  setPeerTableSize(bytes: number): void {
    const size = Math.min(bytes, this.#ownMaxBytes);
    if (size === this.#table.maxBytes && this.#smallest < 0) return;
    this.#smallest = this.#smallest < 0 ? size : Math.min(this.#smallest, size);
    this.#table.resize(size);
  }

  /** Starts a block: writes pending table size updates. Returns the offset after them. */
  begin(target: Uint8Array, offset: number): number {
    if (this.#smallest < 0) return offset;
    let at = offset;
    if (this.#smallest < this.#table.maxBytes) at = writeInteger(target, at, this.#smallest, 5, 0x20);
    this.#smallest = -1;
    return writeInteger(target, at, this.#table.maxBytes, 5, 0x20);
  }

  /** Writes one field; `name` is lower case, both hold one byte a character. Returns the offset after it. */
  field(target: Uint8Array, offset: number, name: string, value: string, indexing: HeaderIndexing): number {
    const nameIndex = staticNameIndex(name);
    if (indexing !== 'never') {
      for (let i = nameIndex; i >= 0 && staticNames[i] === name; i++) {
        if (value !== '' && staticValues[i] === value) return writeInteger(target, offset, i + 1, 7, 0x80);
      }
      if (indexing === 'index') {
        const found = this.#table.find(name, value);
        if (found >= 0) return writeInteger(target, offset, staticTableSize + 1 + found, 7, 0x80);
      }
    }
    const dynamic = nameIndex >= 0 ? -1 : this.#table.findName(name);
    const index = nameIndex >= 0 ? nameIndex + 1 : dynamic >= 0 ? staticTableSize + 1 + dynamic : 0;
    // An entry that fills most of the table would only push the useful ones out.
    const keeps = indexing === 'index' && entryBytes(name, value) * 2 <= this.#table.maxBytes;
    let at = keeps
      ? writeInteger(target, offset, index, 6, 0x40)
      : writeInteger(target, offset, index, 4, indexing === 'never' ? 0x10 : 0);
    if (index === 0) at = this.#string(target, at, name);
    at = this.#string(target, at, value);
    if (keeps) this.#table.add(name, value);
    return at;
  }

  #string(target: Uint8Array, offset: number, text: string): number {
    if (this.#huffman) {
      const length = huffmanByteLength(text);
      if (length < text.length) return encodeHuffman(text, target, writeInteger(target, offset, length, 7, 0x80));
    }
    const at = writeInteger(target, offset, text.length, 7, 0);
    if (this.#replacesIllegal) writeHarmless(target, at, text);
    else for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i);
    return at + text.length;
  }
}

/** An upper bound for the bytes `HpackEncoder.field` writes. */
export function maxEncodedBytes(name: string, value: string): number {
  return name.length + value.length + 18;
}

function writeHarmless(target: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    target[at + i] = code >= 0x20 && code <= 0xff && code !== 0x7f ? code : code === 9 ? 9 : 0x20;
  }
}

function writeInteger(target: Uint8Array, offset: number, value: number, prefixBits: number, pattern: number): number {
  const mask = (1 << prefixBits) - 1;
  let at = offset;
  if (value < mask) {
    target[at++] = pattern | value;
    return at;
  }
  target[at++] = pattern | mask;
  let rest = value - mask;
  while (rest >= 128) {
    target[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

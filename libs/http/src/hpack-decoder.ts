import { ErrorCode } from './frame-type.ts';
import { staticNames, staticTableSize, staticValues } from './hpack-static-table.ts';
import { entryBytes, HpackTable } from './hpack-table.ts';
import { Http2Error } from './http2-error.ts';
import { decodeHuffman } from './huffman-decoder.ts';

/** Receives the fields of a header block in order. Strings hold one byte a character (latin1). */
export interface HeaderSink {
  onHeader(name: string, value: string): void;
}

/**
 * HPACK decoder of one connection direction; keeps the dynamic table.
 *
 * A list over `maxListBytes` is still decoded to its end, as the table must stay in step, but no longer delivered.
 * Allocates the delivered strings and a scratch shared by all decoders of the thread. Spec: RFC 7541.
 */
export class HpackDecoder {
  readonly #table: HpackTable;
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  #buffer: Uint8Array = noBytes;
  #at = 0;
  #end = 0;

  /** `maxTableBytes`: the SETTINGS_HEADER_TABLE_SIZE that we advertised. */
  constructor(maxListBytes: number, maxTableBytes = 4096) {
    this.#maxListBytes = maxListBytes;
    this.#maxTableBytes = maxTableBytes;
    this.#table = new HpackTable(maxTableBytes);
  }

  /**
   * Decodes one whole block. Returns the size of the list as RFC 9113 section 6.5.2 counts it; a number over
   * `maxListBytes` means that only the fields up to the limit were delivered. @throws Http2Error COMPRESSION_ERROR.
   */
  decode(buffer: Uint8Array, offset: number, length: number, sink: HeaderSink): number {
    this.#buffer = buffer;
    this.#at = offset;
    this.#end = offset + length;
    let listBytes = 0;
    let fields = 0;
    while (this.#at < this.#end) {
      const first = buffer[this.#at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        this.#resizeTable(fields);
        continue;
      }
      fields++;
      let name: string;
      let value: string;
      if ((first & 0x80) !== 0) {
        const index = this.#integer(7);
        name = this.#indexedName(index);
        value =
          index <= staticTableSize ? (staticValues[index - 1] ?? '') : this.#table.value(index - staticTableSize - 1);
      } else {
        const keeps = (first & 0x40) !== 0;
        const index = this.#integer(keeps ? 6 : 4);
        name = index === 0 ? this.#string() : this.#indexedName(index);
        value = this.#string();
        if (keeps) this.#table.add(name, value);
      }
      listBytes += entryBytes(name, value);
      if (listBytes <= this.#maxListBytes) sink.onHeader(name, value);
    }
    this.#buffer = noBytes;
    return listBytes;
  }

  #resizeTable(fieldsBefore: number): void {
    const size = this.#integer(5);
    if (fieldsBefore > 0) throw malformed('table size update after a field');
    if (size > this.#maxTableBytes) throw malformed('table size over the advertised limit');
    this.#table.resize(size);
  }

  #indexedName(index: number): string {
    const name = index <= staticTableSize ? staticNames[index - 1] : this.#table.name(index - staticTableSize - 1);
    if (name === undefined) throw malformed(`no entry ${index}`);
    return name;
  }

  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#buffer[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#end) throw malformed('integer cut off');
      // Four more bytes hold over 2^28, more than any legal length or index here.
      if (shift > 21) throw malformed('integer too long');
      const byte = this.#buffer[this.#at++] ?? 0;
      value += (byte & 127) << shift;
      if ((byte & 128) === 0) return value;
    }
  }

  #string(): string {
    if (this.#at >= this.#end) throw malformed('string cut off');
    const isHuffman = ((this.#buffer[this.#at] ?? 0) & 128) !== 0;
    const length = this.#integer(7);
    const from = this.#at;
    if (length > this.#end - from) throw malformed('string cut off');
    this.#at = from + length;
    if (!isHuffman) return latin1(this.#buffer, from, from + length);
    // The shortest code has 5 bits, so the text is at most 8/5 of the input.
    const room = ((length * 8) / 5) | 0;
    const scratch = scratchOf(room);
    const written = decodeHuffman(this.#buffer, from, length, scratch, room);
    if (written < 0) throw malformed('Huffman string');
    return latin1(scratch, 0, written);
  }
}

const noBytes: Uint8Array = new Uint8Array(0);
let scratch: Uint8Array = noBytes;

/** Used within one synchronous call only. Grows to at most 1.6 times the largest header block. */
function scratchOf(bytes: number): Uint8Array {
  if (scratch.length < bytes) scratch = new Uint8Array(Math.max(4096, bytes));
  return scratch;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}

function malformed(detail: string): Http2Error {
  return new Http2Error(ErrorCode.compressionError, `HPACK: ${detail}`);
}

/**
 * A reader of protobuf wire format over memory that other threads may share.
 *
 * Written because the generated decoder builds an object for every message and cannot be asked
 * for a few fields of a hundred thousand records. It copies what it returns, so nothing it
 * returns depends on the memory afterwards. Throws `WorkloadError` on malformed input.
 * Spec: protobuf.dev/programming-guides/encoding.
 */
import { Buffer } from 'node:buffer';
import type { ByteInterner } from './byte-interner.ts';
import type { IpWords } from './ip-words.ts';
import { WorkloadError } from './workload-error.ts';

const utf8: TextDecoder = new TextDecoder('utf-8', { fatal: true });

/** Reads one message at a time; nested messages narrow `limit` and restore it. */
export class WireReader {
  position = 0;
  limit = 0;
  #bytes: Buffer = Buffer.alloc(0);

  /** Starts at `offset` of the given bytes and ends `length` later. */
  reset(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): this {
    if (offset + length > bytes.length) throw malformed('record ends outside of its segment');
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.position = offset;
    this.limit = offset + length;
    return this;
  }

  /** The memory being read; a view, as long as it lives. */
  get buffer(): Buffer {
    return this.#bytes;
  }

  get hasMore(): boolean {
    return this.position < this.limit;
  }

  /** The next field's tag: number times eight plus wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag >>> 3 === 0) throw malformed('field number 0');
    return tag;
  }

  /** A varint cut to its low 32 bits, unsigned. */
  varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= this.limit) throw malformed('truncated varint');
      const byte = bytes[this.position++] ?? 0;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('varint longer than ten bytes');
  }

  bool(): boolean {
    // A bool may be any varint; only the low bits are set by real encoders.
    return this.varint() !== 0;
  }

  /** Enters a length-delimited field and returns the limit to give back to `leave`. */
  enter(): number {
    const length = this.varint();
    const outer = this.limit;
    if (length > outer - this.position) throw malformed('field longer than its message');
    this.limit = this.position + length;
    return outer;
  }

  leave(outer: number): void {
    this.position = this.limit;
    this.limit = outer;
  }

  string(): string {
    const outer = this.enter();
    const { position: start, limit: end } = this;
    const bytes = this.#bytes;
    let isAscii = true;
    for (let i = start; i < end; i++) {
      if ((bytes[i] ?? 0) >= 0x80) {
        isAscii = false;
        break;
      }
    }
    this.leave(outer);
    if (isAscii) return bytes.toString('latin1', start, end);
    try {
      // A copy: a TextDecoder does not read shared memory.
      return utf8.decode(Uint8Array.from(bytes.subarray(start, end)));
    } catch {
      throw malformed('string is not UTF-8');
    }
  }

  /** The number of a string field, without making the string. */
  interned(interner: ByteInterner): number {
    const outer = this.enter();
    const id = interner.idOfBytes(this.#bytes, this.position, this.limit);
    this.leave(outer);
    return id;
  }

  /** An IP address field of 4 or 16 bytes; other lengths are refused. */
  words(into: IpWords): void {
    const outer = this.enter();
    if (!into.setRaw(this.#bytes, this.position, this.limit - this.position)) {
      throw malformed('address is neither 4 nor 16 bytes');
    }
    this.leave(outer);
  }

  /** A copy of a bytes field. */
  bytes(): Uint8Array {
    const outer = this.enter();
    const copy = Uint8Array.from(this.#bytes.subarray(this.position, this.limit));
    this.leave(outer);
    return copy;
  }

  /** Skips the value of a field that is not wanted. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.leave(this.enter());
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw malformed(`wire type ${tag & 7}`);
    }
  }

  #advance(count: number): void {
    if (count > this.limit - this.position) throw malformed('truncated field');
    this.position += count;
  }
}

function malformed(what: string): WorkloadError {
  return new WorkloadError('WORKLOAD_MALFORMED', `decode error: ${what}`);
}

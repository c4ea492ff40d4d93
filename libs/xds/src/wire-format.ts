/**
 * Protobuf wire primitives for the two messages of the delta stream that must not be decoded into objects: a full
 * answer of 100,000 resources is one message. Does: varints, tags, length-delimited views, bounds checks. Does not:
 * know a message, copy bytes, or accept groups. Views live as long as the input buffer.
 */
import { XdsError } from './xds-error.ts';

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

const text = new TextDecoder('utf-8', { fatal: true });

/** Tag of a length-delimited field. */
export function bytesTag(field: number): number {
  return field * 8 + WIRE_BYTES;
}

/** Reads one message's fields in order. Throws `XdsError` `MALFORMED` on truncated or impossible input. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isDone(): boolean {
    return this.#at >= this.#end;
  }

  /** Offset of the next unread byte within the whole buffer. */
  get offset(): number {
    return this.#at;
  }

  /** The next tag: field number times eight plus wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag < 8 || tag > 0xffff_ffff) throw malformed('tag out of range');
    return tag;
  }

  /** An unsigned varint below 2^53. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i += 1) {
      const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
      if (byte === undefined) throw malformed('truncated varint');
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed('varint too long');
  }

  /** Start and end of a length-delimited field, which is then skipped. */
  span(): readonly [start: number, end: number] {
    const length = this.varint();
    const start = this.#at;
    if (length > this.#end - start) throw malformed('length beyond the end of the message');
    this.#at = start + length;
    return [start, this.#at];
  }

  bytes(): Uint8Array {
    const [start, end] = this.span();
    return this.#bytes.subarray(start, end);
  }

  string(): string {
    try {
      return text.decode(this.bytes());
    } catch (cause) {
      if (cause instanceof XdsError) throw cause;
      throw malformed('text is not UTF-8');
    }
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        this.varint();
        return;
      case WIRE_FIXED64:
        this.#advance(8);
        return;
      case WIRE_BYTES:
        this.span();
        return;
      case WIRE_FIXED32:
        this.#advance(4);
        return;
      default:
        throw malformed('unsupported wire type');
    }
  }

  #advance(length: number): void {
    if (length > this.#end - this.#at) throw malformed('truncated field');
    this.#at += length;
  }
}

/** Bytes a varint of this value takes. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

/** Writes a varint at `at` and returns the offset after it; the caller made sure that it fits. */
export function putVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 128) {
    out[next] = (rest % 128) | 0x80;
    next += 1;
    rest = Math.floor(rest / 128);
  }
  out[next] = rest;
  return next + 1;
}

function malformed(what: string): XdsError {
  return new XdsError('MALFORMED', `the peer sent a malformed xDS message: ${what}`);
}

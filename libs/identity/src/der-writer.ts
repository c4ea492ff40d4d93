/**
 * Writes DER. Each function returns a complete element; constructed ones take complete elements.
 * Allocation: one buffer per element, so callers keep constant parts (algorithm, issuer, usages) and reuse them.
 *
 * Spec: ITU-T X.690.
 */
import { Tag } from './der-reader.ts';

/** An element with this identifier octet and the parts as contents. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const header = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x1_0000 ? 4 : 5;
  const out = Buffer.allocUnsafe(header + length);
  out[0] = tag;
  if (header === 2) {
    out[1] = length;
  } else {
    out[1] = 0x80 + header - 2;
    out.writeUIntBE(length, 2, header - 2);
  }
  let offset = header;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** SEQUENCE of complete elements. */
export function derSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return derElement(Tag.sequence, ...elements);
}

/** SET of complete elements; one element only, because DER sorts several. */
export function derSet(element: Uint8Array): Uint8Array {
  return derElement(Tag.set, element);
}

/** INTEGER from a non-negative big-endian number without sign. */
export function derUnsignedInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const trimmed = bytes.subarray(start);
  return (trimmed[0] ?? 0) < 0x80 ? derElement(Tag.integer, trimmed) : derElement(Tag.integer, ZERO, trimmed);
}

/** OBJECT IDENTIFIER from its dotted form. */
export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return derElement(Tag.oid, Uint8Array.from(bytes));
}

/** BIT STRING; `unusedBits` counts the padding bits of the last octet. */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return derElement(Tag.bitString, Uint8Array.of(unusedBits), bytes);
}

/** OCTET STRING around bytes or a complete element. */
export function derOctetString(bytes: Uint8Array): Uint8Array {
  return derElement(Tag.octetString, bytes);
}

/** A character string of the given tag; the caller guarantees the alphabet. */
export function derString(tag: number, text: string): Uint8Array {
  return derElement(tag, Buffer.from(text, 'utf8'));
}

/** The only encoding of TRUE that DER allows. */
export const derTrue: Uint8Array = Uint8Array.of(Tag.boolean, 1, 0xff);

/** Encoded times by second: certificates of one moment have the same ones. Do not write to what {@link derTime} returns. */
const times = new Map<number, Uint8Array>();
const MAX_TIMES = 64;

/** UTCTime until 2049, GeneralizedTime from 2050, whole seconds. Spec: RFC 5280 4.1.2.5. */
export function derTime(timeMs: number): Uint8Array {
  const second = Math.floor(timeMs / 1000);
  let encoded = times.get(second);
  if (encoded === undefined) {
    if (times.size >= MAX_TIMES) times.clear();
    encoded = encodeTime(second * 1000);
    times.set(second, encoded);
  }
  return encoded;
}

function encodeTime(timeMs: number): Uint8Array {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]|\.\d{3}/g, '');
  return Number(digits.slice(0, 4)) < 2050
    ? derString(Tag.utcTime, digits.slice(2))
    : derString(Tag.generalizedTime, digits);
}

const ZERO = Uint8Array.of(0);

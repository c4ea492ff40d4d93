/**
 * A bounded reader of DER. It walks forward over one buffer, never recurses, never copies: returned contents are views
 * that live as long as the buffer is not changed. Only what X.509 needs: single-byte tags, definite minimal lengths.
 *
 * Spec: ITU-T X.690 sections 8 and 10.
 */
import { IdentityError } from './identity-error.ts';

/** Identifier octets used here. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** Constructed, context-specific. */
  context0: 0xa0,
  context3: 0xa3,
} as const;

/** One element: its identifier octet, its contents and its whole encoding. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly encoded: Uint8Array;
}

/** Reads the elements of one constructed value, one after the other. All methods throw IdentityError DER_INVALID. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** True when every element was read. */
  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The next element's identifier octet; undefined at the end. */
  peekTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** Reads the next element whatever it is. */
  element(): DerElement {
    const start = this.#offset;
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw invalid('multi-byte tags are not used in X.509');
    const length = this.#length();
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw invalid('an element is longer than what contains it');
    const content = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return { tag, content, encoded: this.#bytes.subarray(start, end) };
  }

  /** Reads the next element, which must have this tag, and returns its contents. */
  content(tag: number): Uint8Array {
    const element = this.element();
    if (element.tag !== tag) throw invalid(`expected tag ${hex(tag)}, found ${hex(element.tag)}`);
    return element.content;
  }

  /** Reads the next element if it has this tag. */
  optional(tag: number): Uint8Array | undefined {
    return this.peekTag() === tag ? this.content(tag) : undefined;
  }

  /** Enters the next element, which must have this tag. */
  nested(tag: number): DerReader {
    return new DerReader(this.content(tag));
  }

  /** Fails unless everything was read. */
  end(): void {
    if (!this.atEnd) throw invalid('unexpected data at the end');
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw invalid('truncated');
    this.#offset += 1;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw invalid('indefinite length is not DER');
    if (count > 3) throw invalid('length of more than three octets');
    let length = 0;
    for (let index = 0; index < count; index += 1) length = (length << 8) | this.#byte();
    if (length < 0x80 || length >>> (8 * (count - 1)) === 0) throw invalid('length is not in its shortest form');
    return length;
  }
}

/** Decodes the contents of an OBJECT IDENTIFIER into dotted form. */
export function decodeOid(content: Uint8Array): string {
  if (content.length === 0 || content.length > 64) throw invalid('object identifier of this length');
  const arcs: number[] = [];
  let arc = 0;
  let isOpen = false;
  for (const byte of content) {
    if (!isOpen && byte === 0x80) throw invalid('object identifier arc is not in its shortest form');
    if (arc > 0xff_ffff) throw invalid('object identifier arc too large');
    arc = arc * 128 + (byte & 0x7f);
    isOpen = byte >= 0x80;
    if (isOpen) continue;
    arcs.push(arc);
    arc = 0;
  }
  if (isOpen) throw invalid('truncated object identifier');
  const [first = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** Decodes UTCTime or GeneralizedTime (the forms RFC 5280 4.1.2.5 allows) into milliseconds since the Unix epoch. */
export function decodeTime(element: DerElement): number {
  const text = Buffer.from(element.content.buffer, element.content.byteOffset, element.content.length).toString(
    'latin1',
  );
  const match = (
    element.tag === Tag.utcTime ? UTC_TIME : element.tag === Tag.generalizedTime ? GENERALIZED_TIME : NEVER
  ).exec(text);
  if (match === null) throw invalid('unreadable time');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const fullYear = element.tag === Tag.generalizedTime ? year : year < 50 ? 2000 + year : 1900 + year;
  const time = new Date(0);
  time.setUTCFullYear(fullYear, month - 1, day);
  time.setUTCHours(hour, minute, second, 0);
  const isExact =
    time.getUTCMonth() === month - 1 && time.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!isExact) throw invalid('no such time');
  return time.getTime();
}

const UTC_TIME = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
const NEVER = /(?!)/;

function invalid(message: string): IdentityError {
  return new IdentityError('DER_INVALID', `malformed DER: ${message}`, { source: 'upstream' });
}

function hex(tag: number): string {
  return `0x${tag.toString(16)}`;
}

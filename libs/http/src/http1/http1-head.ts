import { hopByHopNames } from './field-name.ts';
import { asciiText, equalsLower, FieldSlices } from './field-slices.ts';

/** What the Connection field asks for. */
export type Persistence = 'unspecified' | 'close' | 'keep-alive';

/**
 * The head of a request or response: start line, fields, and what the framing fields say. Filled by the scanner,
 * reused for the next message; everything read from it is valid until the sink's call returns.
 */
export class Http1Head {
  readonly fields: FieldSlices = new FieldSlices();
  /** 0 or 1: the second digit of HTTP/1.x. */
  minorVersion = 1;
  /** 0 in requests. */
  status = 0;
  methodFrom = 0;
  methodTo = 0;
  targetFrom = 0;
  targetTo = 0;
  /** Position of the only Host field, or -1. */
  hostIndex = -1;
  /** Undefined: no Content-Length. */
  contentLength: number | undefined = undefined;
  isChunked = false;
  persistence: Persistence = 'unspecified';
  /** Connection names `upgrade` and there is an Upgrade field. */
  asksUpgrade = false;
  expectsContinue = false;
  /** Positions of Connection fields, whose other tokens name fields that end here. */
  readonly connectionIndexes: number[] = [];

  reset(buffer: Uint8Array): void {
    this.fields.reset(buffer);
    this.minorVersion = 1;
    this.status = 0;
    this.methodFrom = this.methodTo = this.targetFrom = this.targetTo = 0;
    this.hostIndex = -1;
    this.contentLength = undefined;
    this.isChunked = false;
    this.persistence = 'unspecified';
    this.asksUpgrade = false;
    this.expectsContinue = false;
    // Setting the length is a call into the engine even if it stays the same.
    if (this.connectionIndexes.length > 0) this.connectionIndexes.length = 0;
  }

  get method(): string {
    return asciiText(this.fields.buffer, this.methodFrom, this.methodTo);
  }

  /** The request target as sent: `/path?query`, `http://host/path`, `host:port` of CONNECT, or `*`. */
  get target(): string {
    return asciiText(this.fields.buffer, this.targetFrom, this.targetTo);
  }

  /** The Host field; undefined only in HTTP/1.0. */
  get host(): string | undefined {
    return this.hostIndex < 0 ? undefined : this.fields.value(this.hostIndex);
  }

  /** Whether a Connection field says nothing but `close` or `keep-alive`, as nearly all of them. No allocation. */
  plainConnection(index: number): 'close' | 'keep-alive' | undefined {
    const { fields } = this;
    const from = fields.valueFrom(index);
    const to = fields.valueTo(index);
    if (equalsLower(fields.buffer, from, to, 'keep-alive')) return 'keep-alive';
    return equalsLower(fields.buffer, from, to, 'close') ? 'close' : undefined;
  }

  /** Whether the connection may carry another message after this one. Spec: RFC 9112 section 9.3. */
  get isPersistent(): boolean {
    if (this.persistence === 'close') return false;
    return this.minorVersion === 1 || this.persistence === 'keep-alive';
  }

  /**
   * Whether a field ends at this hop and must not be forwarded: the connection fields, and each that Connection names.
   * Framing fields are among them, as the next hop gets framing of its own. Spec: RFC 9110 section 7.6.1.
   */
  isHopByHop(index: number): boolean {
    const { buffer } = this.fields;
    const from = this.fields.nameFrom(index);
    const to = this.fields.nameTo(index);
    for (const name of hopByHopNames) if (equalsLower(buffer, from, to, name)) return true;
    for (const connection of this.connectionIndexes) {
      if (this.#isListed(connection, this.fields.name(index))) return true;
    }
    return false;
  }

  #isListed(connection: number, lowerName: string): boolean {
    const { buffer } = this.fields;
    const end = this.fields.valueTo(connection);
    let from = this.fields.valueFrom(connection);
    while (from < end) {
      let to = from;
      while (to < end && buffer[to] !== comma) to += 1;
      let last = to;
      while (from < last && isBlank(buffer[from])) from += 1;
      while (last > from && isBlank(buffer[last - 1])) last -= 1;
      if (equalsLower(buffer, from, last, lowerName)) return true;
      from = to + 1;
    }
    return false;
  }
}

const comma = 0x2c;

function isBlank(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09;
}

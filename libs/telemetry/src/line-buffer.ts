/**
 * Bytes of log lines under construction: appended without intermediate strings, taken out in whole lines.
 * Fixed capacity; a line that does not fit is rolled back and reported, never cut.
 */

const HEX = '0123456789abcdef';
const encoder = /* @__PURE__ */ new TextEncoder();

/** How text inside quotes is escaped: as JSON, or as Rust's debug form that Istio's text log shows. */
export type Quoting = 'json' | 'debug';

/** @see module comment. One writer, no sharing. */
export class LineBuffer {
  readonly bytes: Uint8Array;
  #length = 0;
  #lineStart = 0;
  #isOverrun = false;

  constructor(capacityBytes: number) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /** Bytes of complete lines. */
  get length(): number {
    return this.#lineStart;
  }

  /** Ends the line with LF. False when it did not fit; then nothing of it is kept. */
  endLine(): boolean {
    this.byte(0x0a);
    const fitted = !this.#isOverrun;
    if (fitted) this.#lineStart = this.#length;
    this.#length = this.#lineStart;
    this.#isOverrun = false;
    return fitted;
  }

  /** Forgets the first `count` bytes of complete lines. Must not be called inside a line. */
  consume(count: number): void {
    this.bytes.copyWithin(0, count, this.#lineStart);
    this.#lineStart -= count;
    this.#length = this.#lineStart;
  }

  /** Length of the longest run of whole lines from `offset` that fits `maxBytes`; a longer first line is one run. */
  wholeLines(offset: number, maxBytes: number): number {
    if (this.#lineStart - offset <= maxBytes) return this.#lineStart - offset;
    const end = this.bytes.lastIndexOf(0x0a, offset + maxBytes - 1);
    return (end >= offset ? end : this.bytes.indexOf(0x0a, offset)) + 1 - offset;
  }

  byte(value: number): void {
    if (this.#length < this.bytes.length) this.bytes[this.#length++] = value;
    else this.#isOverrun = true;
  }

  /** Appends text as it is, in UTF-8. */
  text(text: string): void {
    const start = this.#length;
    if (start + text.length > this.bytes.length) {
      this.#isOverrun = true;
      return;
    }
    const { bytes } = this;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0x7e) return this.#unicode(text, start);
      bytes[start + index] = code;
    }
    this.#length = start + text.length;
  }

  /** Appends text in UTF-8, each run of line ends in it as one blank: it must not begin a new line. */
  textOnOneLine(text: string): void {
    const start = this.#length;
    if (start + text.length > this.bytes.length) {
      this.#isOverrun = true;
      return;
    }
    const { bytes } = this;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0x7e || code === 0x0a || code === 0x0d) return this.text(text.replace(/[\r\n]+/g, ' '));
      bytes[start + index] = code;
    }
    this.#length = start + text.length;
  }

  /** Appends a non-negative integer. */
  integer(value: number): void {
    if (value < 10) this.byte(0x30 + value);
    else this.text(String(value));
  }

  /** Appends text in double quotes, escaped. */
  quoted(text: string, quoting: Quoting): void {
    this.byte(0x22);
    const start = this.#length;
    const { bytes } = this;
    // Room for the text and the closing quote; the slow end checks for itself.
    const isRoomy = start + text.length < bytes.length;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (!isRoomy || code < 0x20 || code === 0x22 || code === 0x5c || code >= 0x7f) {
        this.#length = isRoomy ? start + index : this.#length;
        this.#escape(text, index, quoting);
        this.byte(0x22);
        return;
      }
      bytes[start + index] = code;
    }
    this.#length = start + text.length;
    this.byte(0x22);
  }

  /** The slow end of `quoted`: from the first character that is not plain ASCII. */
  #escape(text: string, from: number, quoting: Quoting): void {
    for (const character of text.slice(from)) {
      const code = character.codePointAt(0) ?? 0;
      if (code === 0x22) this.text('\\"');
      else if (code === 0x5c) this.text('\\\\');
      else if (code === 0x0a) this.text('\\n');
      else if (code === 0x0d) this.text('\\r');
      else if (code === 0x09) this.text('\\t');
      else if (quoting === 'json') this.#escapeJson(character, code);
      else if (code === 0) this.text('\\0');
      else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) this.text(`\\u{${code.toString(16)}}`);
      else this.text(character);
    }
  }

  #escapeJson(character: string, code: number): void {
    if (code === 0x08) this.text('\\b');
    else if (code === 0x0c) this.text('\\f');
    else if (code < 0x20) this.text(`\\u00${HEX[code >> 4] ?? ''}${HEX[code & 15] ?? ''}`);
    else this.text(character);
  }

  #unicode(text: string, start: number): void {
    const { read, written } = encoder.encodeInto(text, this.bytes.subarray(start));
    if (read < text.length) this.#isOverrun = true;
    else this.#length = start + written;
  }
}

import type { ByteChannel } from '@ambit/net';

import type { FieldList } from '../field-list.ts';
import { isSendable } from '../sendable.ts';

const lineEnd = '\r\n';
/** From here on one call into the engine and a pass over the bytes cost less than asking for each character. */
const longText = 64;

/**
 * Puts a head together in one buffer of the thread, to be sent with one write. Whatever the text came from, it cannot end a
 * line: controls become spaces.
 */
export class HeadText {
  #bytes: Uint8Array = new Uint8Array(4096);
  #length = 0;

  begin(): void {
    this.#length = 0;
  }

  /** Text of this program, which may hold line ends. */
  fixed(text: string): void {
    const at = this.#reserve(text.length);
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }

  /** Text that came from elsewhere. */
  text(text: string): void {
    const { length } = text;
    const at = this.#reserve(length);
    const bytes = this.#bytes;
    if (length < longText) {
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        bytes[at + i] = code >= 0x20 && code <= 0xff ? code : code === 9 ? 9 : 0x20;
      }
      return;
    }
    Buffer.prototype.latin1Write.call(bytes, text, at, length);
    for (let i = at; i < at + length; i++) {
      const octet = bytes[i] ?? 0;
      if (octet < 0x20 && octet !== 9) bytes[i] = 0x20;
    }
  }

  field(name: string, value: string): void {
    this.text(name);
    const at = this.#reserve(2);
    this.#bytes[at] = 0x3a;
    this.#bytes[at + 1] = 0x20;
    this.text(value);
    this.endLine();
  }

  fields(fields: FieldList): void {
    const { length } = fields;
    for (let i = 0; i < length; i++) {
      const name = fields.nameAt(i);
      const value = fields.valueAt(i);
      if (isSendable(name, value)) this.field(name, value);
    }
  }

  endLine(): void {
    const at = this.#reserve(lineEnd.length);
    this.#bytes[at] = 0x0d;
    this.#bytes[at + 1] = 0x0a;
  }

  sendTo(channel: ByteChannel): boolean {
    return channel.write(this.#bytes, 0, this.#length);
  }

  #reserve(length: number): number {
    const at = this.#length;
    const needed = at + length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

/** The one of this thread; used within one synchronous call. */
export const headText: HeadText = new HeadText();

import {
  HpackEncoder,
  maxEncodedBytes,
  headerBlockOverhead,
  isFieldName,
  isFieldValue,
  writeFrameHeader,
  writeGoAway,
  writeHeaderBlock,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
  clientPreface,
  FrameFlag,
  FrameType,
} from '@ambit/http';

import { threadBuffers } from './slab-pool.ts';
import type { TunnelOutput } from './tunnel-output.ts';
import type { HeaderField } from './tunnel-stream.ts';

/** Headers whose values differ from request to request: indexing them would only push others out of the table. */
const uniqueHeaders: ReadonlySet<string> = new Set(['forwarded', 'traceparent']);

/**
 * Puts control frames and header blocks into a connection's output. When the peer makes us owe it more than the output
 * holds, frames are dropped and `isOverrun` is set: the connection ends at its next turn.
 */
export class TunnelFrames {
  readonly #output: TunnelOutput;
  readonly #encoder: HpackEncoder = new HpackEncoder();
  isOverrun = false;

  constructor(output: TunnelOutput) {
    this.#output = output;
  }

  setPeerTableSize(bytes: number): void {
    this.#encoder.setPeerTableSize(bytes);
  }

  preface(): void {
    const output = this.#output;
    if (this.#lacks(clientPreface.length)) return;
    const { slab, position } = output;
    for (let i = 0; i < clientPreface.length; i++) slab[position + i] = clientPreface.charCodeAt(i);
    output.commit(position + clientPreface.length);
  }

  settings(settings: readonly (readonly [number, number])[]): void {
    if (this.#lacks(9 + settings.length * 6)) return;
    this.#output.commit(writeSettings(this.#output.slab, this.#output.position, settings));
  }

  settingsAck(): void {
    if (this.#lacks(9)) return;
    this.#output.commit(writeSettingsAck(this.#output.slab, this.#output.position));
  }

  ping(ack: boolean, opaque: Uint8Array, from: number): void {
    if (this.#lacks(17)) return;
    this.#output.commit(writePing(this.#output.slab, this.#output.position, ack, opaque, from));
  }

  goAway(lastStreamId: number, code: number): void {
    if (this.#lacks(17)) return;
    this.#output.commit(writeGoAway(this.#output.slab, this.#output.position, lastStreamId, code));
  }

  reset(streamId: number, code: number): void {
    if (this.#lacks(13)) return;
    this.#output.commit(writeRstStream(this.#output.slab, this.#output.position, streamId, code));
  }

  windowUpdate(streamId: number, increment: number): void {
    if (this.#lacks(13)) return;
    this.#output.commit(writeWindowUpdate(this.#output.slab, this.#output.position, streamId, increment));
  }

  endStream(streamId: number): void {
    if (this.#lacks(9)) return;
    const { slab, position } = this.#output;
    this.#output.commit(writeFrameHeader(slab, position, 0, FrameType.data, FrameFlag.endStream, streamId));
  }

  /** A header list: first pseudo fields, then `fields`. @throws RangeError if a field is illegal or the list too long. */
  headers(
    streamId: number,
    pseudo: readonly HeaderField[],
    fields: readonly HeaderField[],
    endStream: boolean,
    maxFrameBytes: number,
  ): void {
    const block = threadBuffers().headers;
    checkFields(pseudo, fields, block.length);
    let at = this.#encoder.begin(block, 0);
    for (const [name, value] of pseudo) at = this.#encoder.field(block, at, name, value, 'index');
    for (const [name, value] of fields) {
      at = this.#encoder.field(block, at, name, value, uniqueHeaders.has(name) ? 'plain' : 'index');
    }
    if (this.#lacks(at + headerBlockOverhead(at, maxFrameBytes))) return;
    const { slab, position } = this.#output;
    this.#output.commit(writeHeaderBlock(slab, position, streamId, block, at, endStream, maxFrameBytes));
  }

  #lacks(bytes: number): boolean {
    if (!this.isOverrun && this.#output.hasControlRoom(bytes)) return false;
    this.isOverrun = true;
    return true;
  }
}

/** Before anything is encoded, as the table must not change for a list that is not sent. */
function checkFields(pseudo: readonly HeaderField[], fields: readonly HeaderField[], room: number): void {
  let bytes = 16;
  for (const [name, value] of pseudo) {
    if (!isFieldValue(value)) throw new RangeError(`illegal value of ${name}`);
    bytes += maxEncodedBytes(name, value);
  }
  for (const [name, value] of fields) {
    if (!isFieldName(name) || !isFieldValue(value)) throw new RangeError(`illegal header field ${name}`);
    bytes += maxEncodedBytes(name, value);
  }
  if (bytes > room) throw new RangeError('header list too long');
}

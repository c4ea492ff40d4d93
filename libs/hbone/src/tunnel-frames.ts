import { type FrameOutput, HpackEncoder, Http2Frames, isFieldName, isFieldValue, maxEncodedBytes } from '@ambit/http';

import { threadBuffers } from './thread-buffers.ts';
import type { HeaderField } from './tunnel-stream.ts';

/** Headers whose values differ from request to request: indexing them would only push others out of the table. */
const uniqueHeaders: ReadonlySet<string> = new Set(['forwarded', 'traceparent']);

/** The frames of a connection that carries tunnels: few headers, all of them checked before one is encoded. */
export class TunnelFrames extends Http2Frames {
  constructor(output: FrameOutput) {
    super(output, new HpackEncoder());
  }

  /** A header list: first pseudo fields, then `fields`. @throws RangeError if a field is illegal or the list too long. */
  headers(streamId: number, pseudo: readonly HeaderField[], fields: readonly HeaderField[], endStream: boolean): void {
    const block = threadBuffers().headers;
    checkFields(pseudo, fields, block.length);
    const { encoder } = this;
    let at = encoder.begin(block, 0);
    for (const [name, value] of pseudo) at = encoder.field(block, at, name, value, 'index');
    for (const [name, value] of fields) {
      at = encoder.field(block, at, name, value, uniqueHeaders.has(name) ? 'plain' : 'index');
    }
    this.headerBlock(streamId, block, at, endStream);
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

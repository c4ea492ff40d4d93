import {
  clientPreface,
  FrameFlag,
  frameHeaderBytes,
  FrameType,
  headerBlockOverhead,
  HpackEncoder,
  maxEncodedBytes,
  writeFrameHeader,
  writeGoAway,
  writeHeaderBlock,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '@ambit/http';

import type { FieldList } from '../field-list.ts';
import { isSendable } from '../sendable.ts';
import type { Http2Output } from './http2-output.ts';

/** Fields whose values differ from message to message: indexing them would push the useful ones out of the table. */
const uniqueFields: ReadonlySet<string> = new Set([
  ':path',
  'content-length',
  'cookie',
  'date',
  'etag',
  'expires',
  'last-modified',
  'location',
  'set-cookie',
  'traceparent',
  'tracestate',
  'x-b3-parentspanid',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-envoy-upstream-service-time',
  'x-forwarded-for',
  'x-request-id',
]);
const secretFields: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization']);

let block: Uint8Array = new Uint8Array(16 * 1024);

/** Puts control frames and header blocks into a connection's output. */
export class Http2Frames {
  readonly #output: Http2Output;
  readonly #encoder: HpackEncoder = new HpackEncoder(4096, false, true);
  peerMaxFrameBytes = 16_384;
  #blockLength = 0;

  constructor(output: Http2Output) {
    this.#output = output;
  }

  setPeerTableSize(bytes: number): void {
    this.#encoder.setPeerTableSize(bytes);
  }

  preface(): void {
    const output = this.#output;
    if (!output.reserve(clientPreface.length)) return;
    const at = output.length;
    for (let i = 0; i < clientPreface.length; i++) output.slab[at + i] = clientPreface.charCodeAt(i);
    output.commit(at + clientPreface.length);
  }

  settings(settings: readonly (readonly [number, number])[]): void {
    const output = this.#output;
    if (!output.reserve(frameHeaderBytes + settings.length * 6)) return;
    output.commit(writeSettings(output.slab, output.length, settings));
  }

  settingsAck(): void {
    const output = this.#output;
    if (output.reserve(frameHeaderBytes)) output.commit(writeSettingsAck(output.slab, output.length));
  }

  ping(ack: boolean, opaque: Uint8Array, from: number): void {
    const output = this.#output;
    if (output.reserve(17)) output.commit(writePing(output.slab, output.length, ack, opaque, from));
  }

  goAway(lastStreamId: number, code: number): void {
    const output = this.#output;
    if (output.reserve(17)) output.commit(writeGoAway(output.slab, output.length, lastStreamId, code));
  }

  reset(streamId: number, code: number): void {
    const output = this.#output;
    if (output.reserve(13)) output.commit(writeRstStream(output.slab, output.length, streamId, code));
  }

  windowUpdate(streamId: number, increment: number): void {
    const output = this.#output;
    if (output.reserve(13)) output.commit(writeWindowUpdate(output.slab, output.length, streamId, increment));
  }

  endStream(streamId: number): void {
    const output = this.#output;
    if (!output.reserve(frameHeaderBytes)) return;
    output.commit(writeFrameHeader(output.slab, output.length, 0, FrameType.data, FrameFlag.endStream, streamId));
  }

  /** Begins a header block; `field` and `fields` add to it, `sendBlock` sends it. */
  beginBlock(): void {
    this.#blockLength = this.#encoder.begin(block, 0);
  }

  field(name: string, value: string): void {
    const needed = this.#blockLength + maxEncodedBytes(name, value);
    if (needed > block.length) growBlock(needed);
    const indexing = uniqueFields.has(name) ? 'plain' : secretFields.has(name) ? 'never' : 'index';
    this.#blockLength = this.#encoder.field(block, this.#blockLength, name, value, indexing);
  }

  fields(fields: FieldList): void {
    const { length } = fields;
    for (let i = 0; i < length; i++) {
      const name = fields.nameAt(i);
      const value = fields.valueAt(i);
      if (isSendable(name, value)) this.field(name, value);
    }
  }

  sendBlock(streamId: number, endStream: boolean): void {
    const output = this.#output;
    const length = this.#blockLength;
    if (!output.reserve(length + headerBlockOverhead(length, this.peerMaxFrameBytes))) return;
    output.commit(
      writeHeaderBlock(output.slab, output.length, streamId, block, length, endStream, this.peerMaxFrameBytes),
    );
  }
}

function growBlock(needed: number): void {
  const grown = new Uint8Array(Math.max(needed, block.length * 2));
  grown.set(block);
  block = grown;
}

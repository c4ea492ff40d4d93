import { type FrameOutput, HpackEncoder, Http2Frames, maxEncodedBytes } from '@ambit/http';

import type { FieldList } from '../field-list.ts';
import { isSendable } from '../sendable.ts';

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

/** The frames of a connection that carries exchanges: header lists are encoded field by field, without another list of them. */
export class ExchangeFrames extends Http2Frames {
  #blockLength = 0;

  constructor(output: FrameOutput) {
    super(output, new HpackEncoder(4096, false, true));
  }

  /** Begins a header block; `field` and `fields` add to it, `sendBlock` sends it. */
  beginBlock(): void {
    this.#blockLength = this.encoder.begin(block, 0);
  }

  field(name: string, value: string): void {
    const needed = this.#blockLength + maxEncodedBytes(name, value);
    if (needed > block.length) growBlock(needed);
    const indexing = uniqueFields.has(name) ? 'plain' : secretFields.has(name) ? 'never' : 'index';
    this.#blockLength = this.encoder.field(block, this.#blockLength, name, value, indexing);
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
    this.headerBlock(streamId, block, this.#blockLength, endStream);
  }
}

function growBlock(needed: number): void {
  const grown = new Uint8Array(Math.max(needed, block.length * 2));
  grown.set(block);
  block = grown;
}

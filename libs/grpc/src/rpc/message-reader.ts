/**
 * Length-prefixed messages out of the bytes of one direction of a gRPC call. Pure; does not decompress.
 * Spec: gRPC over HTTP/2, Length-Prefixed-Message.
 */
import { FRAME_PREFIX_BYTES } from '../frame-prefix.ts';
import { GrpcError } from '../grpc-error.ts';

/** Told each whole message; with `isView` the bytes are valid during the call only. */
export type MessageSink = (message: Uint8Array, isView: boolean, isCompressed: boolean) => void;

/**
 * A server refuses compressed messages, and gives memory for what has come of one. A client takes both from the server that it
 * has chosen: compression, and the word for how long a message will be.
 */
export type ReadingSide = 'server' | 'client';

/** Collects a message that does not come in one piece in parts of at most this much more than has come. */
const GROW_BYTES = 64 * 1024;

export class MessageReader {
  readonly #maxBytes: number;
  readonly #side: ReadingSide;
  readonly #prefix = new Uint8Array(FRAME_PREFIX_BYTES);
  #prefixLength = 0;
  /** What has come of a message that is not whole; undefined between messages. */
  #partial: Uint8Array | undefined;
  #partialLength = 0;
  #messageLength = 0;
  #isCompressed = false;

  constructor(maxBytes: number, side: ReadingSide = 'server') {
    this.#maxBytes = maxBytes;
    this.#side = side;
  }

  /** Something has come of a message that is not whole yet. */
  get isInside(): boolean {
    return this.#prefixLength > 0;
  }

  /** Throws GrpcError RESOURCE_EXHAUSTED for a message over the limit, and for what the side does not take. */
  push(buffer: Uint8Array, offset: number, length: number, sink: MessageSink): void {
    const end = offset + length;
    let at = offset;
    while (at < end) {
      if (this.#prefixLength < FRAME_PREFIX_BYTES) {
        at = this.#takePrefix(buffer, at, end);
        if (this.#prefixLength < FRAME_PREFIX_BYTES) return;
      }
      const whole = at + this.#messageLength;
      if (this.#partial === undefined && whole <= end) {
        this.#prefixLength = 0;
        sink(buffer.subarray(at, whole), true, this.#isCompressed);
        at = whole;
        continue;
      }
      at = this.#collect(buffer, at, end);
      if (this.#partial === undefined || this.#partialLength < this.#messageLength) return;
      const message = this.#partial.subarray(0, this.#messageLength);
      this.#partial = undefined;
      this.#prefixLength = 0;
      sink(message, false, this.#isCompressed);
    }
    // A prefix that ends its piece may belong to an empty message.
    if (this.#prefixLength === FRAME_PREFIX_BYTES && this.#messageLength === 0) {
      this.#prefixLength = 0;
      sink(this.#prefix.subarray(0, 0), true, this.#isCompressed);
    }
  }

  #takePrefix(buffer: Uint8Array, from: number, end: number): number {
    let at = from;
    while (at < end && this.#prefixLength < FRAME_PREFIX_BYTES) {
      this.#prefix[this.#prefixLength] = buffer[at] ?? 0;
      this.#prefixLength += 1;
      at += 1;
    }
    if (this.#prefixLength < FRAME_PREFIX_BYTES) return at;
    const [flags = 0, a = 0, b = 0, c = 0, d = 0] = this.#prefix;
    if (flags > 1) throw new GrpcError('INTERNAL', `a message with the flags ${flags}`);
    this.#isCompressed = flags === 1;
    if (this.#isCompressed && this.#side === 'server') {
      throw new GrpcError('UNIMPLEMENTED', 'compressed requests are not taken');
    }
    this.#messageLength = a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d;
    if (this.#messageLength > this.#maxBytes) {
      throw new GrpcError(
        'RESOURCE_EXHAUSTED',
        `a message of ${this.#messageLength} bytes is over the limit of ${this.#maxBytes}`,
      );
    }
    return at;
  }

  /** Memory of a server follows what has come, not what the prefix promises. */
  #collect(buffer: Uint8Array, at: number, end: number): number {
    if (this.#partial === undefined) this.#partialLength = 0;
    const taken = Math.min(end - at, this.#messageLength - this.#partialLength);
    const needed = this.#partialLength + taken;
    let partial = this.#partial;
    if (partial === undefined || needed > partial.length) {
      const enough = this.#side === 'client' ? this.#messageLength : Math.max(needed + GROW_BYTES, needed * 2);
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#messageLength, enough));
      if (partial !== undefined) grown.set(partial.subarray(0, this.#partialLength));
      partial = grown;
      this.#partial = grown;
    }
    partial.set(buffer.subarray(at, at + taken), this.#partialLength);
    this.#partialLength = needed;
    return at + taken;
  }
}

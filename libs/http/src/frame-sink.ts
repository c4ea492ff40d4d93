import type { Http2Error } from './http2-error.ts';

/**
 * What a FrameDecoder tells its owner. Calls come in wire order, synchronously from `FrameDecoder.push`.
 *
 * Views (`buffer`, `offset`, `length`) are valid only during the call: they point into the caller's read buffer or into
 * the decoder's scratch. A sink may throw Http2Error; the decoder is then unusable for connection errors, and in a
 * defined state (frame accounted for) only if the sink itself handles stream errors, which it should.
 */
export interface FrameSink {
  /** A DATA frame starts. `flowBytes` counts against both windows, padding included. */
  onDataFrame(streamId: number, flowBytes: number, endStream: boolean): void;
  /** A piece of the payload of the DATA frame announced last. Never empty. */
  onData(streamId: number, buffer: Uint8Array, offset: number, length: number): void;
  /** Padding of the DATA frame announced last: consumed at once, to be returned to the windows. */
  onDataPadding(streamId: number, bytes: number): void;
  /** The DATA frame announced last had END_STREAM and is complete. */
  onDataEnd(streamId: number): void;
  /** A complete header block (HEADERS and its CONTINUATIONs), still compressed. */
  onHeaderBlock(streamId: number, buffer: Uint8Array, offset: number, length: number, endStream: boolean): void;
  onPriority(streamId: number): void;
  onReset(streamId: number, code: number): void;
  /** One entry of a SETTINGS frame, in order; values are checked against their legal ranges. */
  onSetting(id: number, value: number): void;
  /** The SETTINGS frame is complete and wants an acknowledgement. */
  onSettingsEnd(): void;
  onSettingsAck(): void;
  /** `opaque` is an 8-byte view. */
  onPing(ack: boolean, buffer: Uint8Array, offset: number): void;
  onGoAway(lastStreamId: number, code: number): void;
  /** `increment` is 1 to 2^31 - 1. */
  onWindowUpdate(streamId: number, increment: number): void;
  /** A frame was well delimited but wrong for its stream; the decoder goes on. */
  onStreamError(error: Http2Error): void;
  /** A frame of a type that is not known; its payload is skipped. */
  onUnknownFrame(type: number): void;
}

import { defaultMaxFrameBytes, FrameFlag, frameHeaderBytes, FrameType, maxInt31 } from './frame-type.ts';

/**
 * Frame writers. Each writes one frame (or a header block's frames) into the caller's buffer at `offset` and returns the
 * offset after it; the caller makes sure of the room. Nothing is allocated.
 */

/** 9 bytes; `payloadBytes` below 2^24. */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  payloadBytes: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  target[offset] = payloadBytes >>> 16;
  target[offset + 1] = payloadBytes >>> 8;
  target[offset + 2] = payloadBytes;
  target[offset + 3] = type;
  target[offset + 4] = flags;
  writeUint32(target, offset + 5, streamId);
  return offset + frameHeaderBytes;
}

/** 4 bytes, big-endian. */
export function writeUint32(target: Uint8Array, offset: number, value: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

/** `settings`: pairs of id and value. 9 bytes and 6 a pair. */
export function writeSettings(
  target: Uint8Array,
  offset: number,
  settings: readonly (readonly [id: number, value: number])[],
): number {
  let at = writeFrameHeader(target, offset, settings.length * 6, FrameType.settings, 0, 0);
  for (const [id, value] of settings) {
    target[at] = id >>> 8;
    target[at + 1] = id;
    at = writeUint32(target, at + 2, value);
  }
  return at;
}

/** 9 bytes. */
export function writeSettingsAck(target: Uint8Array, offset: number): number {
  return writeFrameHeader(target, offset, 0, FrameType.settings, FrameFlag.ack, 0);
}

/** 17 bytes. The 8 opaque bytes are copied from `opaque` at `from`. */
export function writePing(target: Uint8Array, offset: number, ack: boolean, opaque: Uint8Array, from: number): number {
  const at = writeFrameHeader(target, offset, 8, FrameType.ping, ack ? FrameFlag.ack : 0, 0);
  for (let i = 0; i < 8; i++) target[at + i] = opaque[from + i] ?? 0;
  return at + 8;
}

/** 17 bytes; without debug data. */
export function writeGoAway(target: Uint8Array, offset: number, lastStreamId: number, code: number): number {
  const at = writeFrameHeader(target, offset, 8, FrameType.goAway, 0, 0);
  return writeUint32(target, writeUint32(target, at, lastStreamId & maxInt31), code);
}

/** 13 bytes. */
export function writeRstStream(target: Uint8Array, offset: number, streamId: number, code: number): number {
  return writeUint32(target, writeFrameHeader(target, offset, 4, FrameType.rstStream, 0, streamId), code);
}

/** 13 bytes. */
export function writeWindowUpdate(target: Uint8Array, offset: number, streamId: number, increment: number): number {
  return writeUint32(target, writeFrameHeader(target, offset, 4, FrameType.windowUpdate, 0, streamId), increment);
}

/** Room that `writeHeaderBlock` needs beside the block itself. */
export function headerBlockOverhead(blockBytes: number, maxFrameBytes: number): number {
  return frameHeaderBytes * Math.max(1, Math.ceil(blockBytes / maxFrameBytes));
}

/** Writes a HEADERS frame, and CONTINUATIONs when the block is longer than the peer's frames may be. */
export function writeHeaderBlock(
  target: Uint8Array,
  offset: number,
  streamId: number,
  block: Uint8Array,
  blockBytes: number,
  endStream: boolean,
  maxFrameBytes: number = defaultMaxFrameBytes,
): number {
  let at = offset;
  let from = 0;
  do {
    const take = Math.min(maxFrameBytes, blockBytes - from);
    const isFirst = from === 0;
    const isLast = from + take === blockBytes;
    const flags = (isLast ? FrameFlag.endHeaders : 0) | (isFirst && endStream ? FrameFlag.endStream : 0);
    at = writeFrameHeader(target, at, take, isFirst ? FrameType.headers : FrameType.continuation, flags, streamId);
    target.set(block.subarray(from, from + take), at);
    at += take;
    from += take;
  } while (from < blockBytes);
  return at;
}

import { frameHeaderBytes, type FrameOutput, type FrameSizes, Http2Sender } from '@ambit/http';
import { io } from '@ambit/net';
import type { Fd } from '@ambit/net';

import type { TunnelFrames } from './tunnel-frames.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** `readInto`: the stream's flow-control window is used up. Lower than any -errno. */
export const NO_WINDOW: number = -100_000;
/** What one stream may read in its turn: alone a whole slab, among others a fair share. */
const frameSizes: FrameSizes = { soleBytes: 256 * 1024, sharedBytes: 64 * 1024, leastRoomBytes: 4096 };

/** Streams are asked in their turn whether they have something, which goes from their sockets right into the output. */
export class TunnelSender extends Http2Sender<TunnelStream> {
  /** Bytes the last `readInto` had room for. */
  lastRoom = 0;

  constructor(output: FrameOutput, frames: TunnelFrames) {
    super(output, frames, frameSizes);
  }

  /** Reads once from `fd` straight into a DATA frame of the output. Returns what `io.read` does, or NO_WINDOW. Called from `StreamUser.fill` only. */
  readInto(stream: TunnelStream, fd: Fd): number {
    const { output } = this;
    const room = this.frameRoom(stream);
    if (room <= 0 || !output.reserve(frameHeaderBytes + room)) return NO_WINDOW;
    this.lastRoom = room;
    const got = io.read(fd, output.slab, output.position + frameHeaderBytes, room);
    if (got > 0) this.commitData(stream, got);
    return got;
  }

  /** Copies as much as fits into one DATA frame of the output. How many bytes. */
  copyInto(stream: TunnelStream, buffer: Uint8Array, offset: number, length: number): number {
    return this.copyData(stream, buffer, offset, length);
  }

  protected override serve(stream: TunnelStream): boolean {
    return stream.user?.fill() === true;
  }
}

import { defaultMaxFrameBytes, defaultWindowBytes, FrameType, SendWindow, writeFrameHeader } from '@ambit/http';
import { io } from '@ambit/net';
import type { Fd } from '@ambit/net';

import { ReadyStreams } from './ready-streams.ts';
import type { TunnelOutput } from './tunnel-output.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** `readInto`: the stream's flow-control window is used up. Lower than any -errno. */
export const NO_WINDOW: number = -100_000;
const dataFrameOverhead = 9;
/** Less room than this counts as none: no tiny frames at the end of a slab. */
const leastDataRoom = 4096;
/** What one stream may read in its turn: alone a whole slab, among others a fair share. */
const soleQuantumBytes = 256 * 1024;
const sharedQuantumBytes = 64 * 1024;
const roundsPerTurn = 4;

/**
 * The sending of DATA: streams that have something take turns, as far as the peer's windows and the output allow.
 * Nothing is allocated per frame.
 */
export class TunnelSender {
  readonly window: SendWindow = new SendWindow(0, defaultWindowBytes);
  peerMaxFrameBytes: number = defaultMaxFrameBytes;
  /** Over the connection's life. */
  dataFramesSent = 0;
  dataBytesSent = 0;
  lastRoom = 0;
  readonly #output: TunnelOutput;
  readonly #ready: ReadyStreams = new ReadyStreams();

  constructor(output: TunnelOutput) {
    this.#output = output;
  }

  /** The stream gets a turn; it is asked then whether it has something. */
  enqueue(stream: TunnelStream): void {
    this.#ready.add(stream);
  }

  /** Streams wait and could be served now. */
  get hasWork(): boolean {
    return !this.#output.isBlocked && this.#ready.length > 0 && this.window.available > 0;
  }

  /** Fills and flushes the output, a bounded number of times. False if the transport failed. */
  pump(): boolean {
    for (let round = 0; round < roundsPerTurn; round++) {
      this.#fillOutput();
      if (!this.#output.flush()) return false;
      if (!this.hasWork) break;
    }
    return true;
  }

  /**
   * Reads once from `fd` straight into a DATA frame of the output. Returns what `io.read` does, or NO_WINDOW. `lastRoom`
   * tells how much there was room for. Called from `StreamUser.fill` only.
   */
  readInto(stream: TunnelStream, fd: Fd): number {
    const room = this.#room(stream);
    if (room === NO_WINDOW) return NO_WINDOW;
    this.lastRoom = room;
    const { slab, position } = this.#output;
    const got = io.read(fd, slab, position + dataFrameOverhead, room);
    if (got > 0) this.#commitData(stream, got);
    return got;
  }

  /** Copies as much as fits into one DATA frame of the output. How many bytes; NO_WINDOW or 0 (no room) if none. */
  copyInto(stream: TunnelStream, buffer: Uint8Array, offset: number, length: number): number {
    const room = this.#output.dataRoom < leastDataRoom ? 0 : this.#room(stream);
    if (room <= 0) return room;
    const taken = Math.min(length, room);
    const { slab, position } = this.#output;
    slab.set(buffer.subarray(offset, offset + taken), position + dataFrameOverhead);
    this.#commitData(stream, taken);
    return taken;
  }

  #room(stream: TunnelStream): number {
    const quantum = this.#ready.length > 0 ? sharedQuantumBytes : soleQuantumBytes;
    const window = Math.min(stream.sendWindow.available, this.window.available);
    if (window <= 0) return NO_WINDOW;
    return Math.min(quantum, window, this.peerMaxFrameBytes, this.#output.dataRoom - dataFrameOverhead);
  }

  #commitData(stream: TunnelStream, bytes: number): void {
    const { slab, position } = this.#output;
    writeFrameHeader(slab, position, bytes, FrameType.data, 0, stream.id);
    this.#output.commit(position + dataFrameOverhead + bytes);
    stream.sendWindow.consume(bytes);
    this.window.consume(bytes);
    this.dataFramesSent++;
    this.dataBytesSent += bytes;
  }

  #fillOutput(): void {
    for (let left = this.#ready.length; left > 0; left--) {
      // Streams stay in the queue while the connection cannot send, so that its next WINDOW_UPDATE finds them.
      if (this.#output.dataRoom < leastDataRoom || this.window.available <= 0) return;
      const stream = this.#ready.shift();
      if (stream?.user?.fill() === true) this.#ready.add(stream);
    }
  }
}

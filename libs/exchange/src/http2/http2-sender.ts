import { defaultWindowBytes, frameHeaderBytes, FrameType, SendWindow, writeFrameHeader } from '@ambit/http';

import type { FieldList } from '../field-list.ts';
import type { Http2Frames } from './http2-frames.ts';
import type { Http2Output } from './http2-output.ts';
import type { Http2Stream } from './http2-stream.ts';

/** A write is answered false above this, and may go on below `lowBytes`. */
const highBytes = 64 * 1024;
const lowBytes = 16 * 1024;
/** With more than this in the output, streams take turns. */
const directBytes = 64 * 1024;
/** Less room than this counts as none: no tiny frames at the end of a slab. */
const leastRoom = 1024;

/**
 * The sending of DATA: at once while nobody waits and windows and output allow it, else one frame a stream in turn. Nothing is
 * allocated for a frame.
 */
export class Http2Sender {
  readonly window: SendWindow = new SendWindow(0, defaultWindowBytes);
  /** Over the connection's life, for the budget of WINDOW_UPDATEs. */
  dataFramesSent = 0;
  dataBytesSent = 0;
  readonly #output: Http2Output;
  readonly #frames: Http2Frames;
  readonly #onSentEnd: (stream: Http2Stream) => void;
  #ready: Http2Stream[] = [];
  #served: Http2Stream[] = [];
  #waiting: Http2Stream[] = [];

  constructor(output: Http2Output, frames: Http2Frames, onSentEnd: (stream: Http2Stream) => void) {
    this.#output = output;
    this.#frames = frames;
    this.#onSentEnd = onSentEnd;
  }

  /** Streams wait and could be served now. */
  get hasWork(): boolean {
    return this.#ready.length > 0 && this.window.available > 0 && this.#output.dataRoom >= leastRoom;
  }

  /** Takes all; false above the high-water mark. */
  write(stream: Http2Stream, buffer: Uint8Array, offset: number, length: number): boolean {
    let sent = 0;
    if (stream.unsent.length === 0 && this.#ready.length === 0) {
      while (sent < length && this.#output.length < directBytes) {
        const take = this.#frameBytes(stream, length - sent);
        if (take === 0) break;
        this.#sendFrame(stream, buffer, offset + sent, take);
        sent += take;
      }
    }
    if (sent < length) {
      stream.unsent.append(buffer, offset + sent, length - sent);
      this.enqueue(stream);
    }
    if (stream.unsent.length <= highBytes && !this.#output.isBlocked) return true;
    if (!stream.wantsWritable) {
      stream.wantsWritable = true;
      this.#waiting.push(stream);
    }
    return false;
  }

  /** Ends the stream after what is unsent. */
  end(stream: Http2Stream, trailers: FieldList | undefined): void {
    if (stream.unsent.length > 0) {
      stream.hasUnsentEnd = true;
      stream.unsentTrailers = trailers;
      this.enqueue(stream);
    } else {
      this.#sendEnd(stream, trailers);
    }
  }

  /** The stream has something, or its window has grown. */
  enqueue(stream: Http2Stream): void {
    if (stream.isQueued || stream.unsent.length === 0) return;
    stream.isQueued = true;
    this.#ready.push(stream);
  }

  /** What is unsent goes nowhere. */
  drop(stream: Http2Stream): void {
    stream.unsent.clear();
    stream.hasUnsentEnd = false;
    stream.wantsWritable = false;
  }

  /** Sends what may be sent now. */
  pump(): void {
    while (this.hasWork) {
      const streams = this.#ready;
      this.#ready = this.#served;
      this.#served = streams;
      let sent = 0;
      for (const stream of streams) {
        stream.isQueued = false;
        if (!stream.canSend) this.drop(stream);
        else sent += this.#sendSome(stream);
      }
      streams.length = 0;
      if (sent === 0) return;
    }
  }

  /** Tells those who stopped and may go on. */
  tellWritable(): void {
    if (this.#waiting.length === 0 || this.#output.isBlocked) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) {
      if (!stream.wantsWritable) continue;
      if (stream.unsent.length > lowBytes) {
        this.#waiting.push(stream);
      } else {
        stream.wantsWritable = false;
        if (stream.canSend) stream.user?.onWritable();
      }
    }
  }

  /** One frame, and the end if it was the last. Streams without window wait for its WINDOW_UPDATE outside of the queue. */
  #sendSome(stream: Http2Stream): number {
    let budget = 1;
    const sent = stream.unsent.drainTo((buffer, offset, length) => {
      if (budget-- === 0) return 0;
      const take = this.#frameBytes(stream, length);
      if (take > 0) this.#sendFrame(stream, buffer, offset, take);
      return take;
    });
    if (stream.unsent.length > 0) {
      // With room or connection window used up it stays in the queue; without a window of its own it would only spin.
      if (stream.sendWindow.available > 0) this.enqueue(stream);
    } else if (stream.hasUnsentEnd) {
      stream.hasUnsentEnd = false;
      this.#sendEnd(stream, stream.unsentTrailers);
    }
    return sent;
  }

  #frameBytes(stream: Http2Stream, length: number): number {
    const room = this.#output.dataRoom - frameHeaderBytes;
    if (room < leastRoom && room < length) return 0;
    const window = Math.min(stream.sendWindow.available, this.window.available);
    return Math.max(0, Math.min(length, window, room, this.#frames.peerMaxFrameBytes, 16_384));
  }

  #sendFrame(stream: Http2Stream, buffer: Uint8Array, offset: number, length: number): void {
    const output = this.#output;
    if (!output.reserve(frameHeaderBytes + length)) return;
    const at = writeFrameHeader(output.slab, output.length, length, FrameType.data, 0, stream.id);
    output.slab.set(buffer.subarray(offset, offset + length), at);
    output.commit(at + length);
    stream.sendWindow.consume(length);
    this.window.consume(length);
    this.dataFramesSent += 1;
    this.dataBytesSent += length;
  }

  #sendEnd(stream: Http2Stream, trailers: FieldList | undefined): void {
    if (trailers !== undefined && trailers.length > 0) {
      this.#frames.beginBlock();
      this.#frames.fields(trailers);
      this.#frames.sendBlock(stream.id, true);
    } else {
      this.#frames.endStream(stream.id);
    }
    this.#onSentEnd(stream);
  }
}

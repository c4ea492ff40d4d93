import { type FrameSizes, Http2Sender } from '@ambit/http';

import type { FieldList } from '../field-list.ts';
import type { ExchangeFrames } from './exchange-frames.ts';
import type { ExchangeOutput } from './exchange-output.ts';
import type { Http2Stream } from './http2-stream.ts';

/** A write is answered false above this, and may go on below `lowBytes`. */
const highBytes = 64 * 1024;
const lowBytes = 16 * 1024;
/** With more than this in the output, streams take turns. */
const directBytes = 64 * 1024;
const frameSizes: FrameSizes = { soleBytes: 16_384, sharedBytes: 16_384, leastRoomBytes: 1024 };

/** What users write goes at once while nobody waits and windows and output allow it, else one frame a stream in turn. */
export class ExchangeSender extends Http2Sender<Http2Stream> {
  readonly #frames: ExchangeFrames;
  readonly #onSentEnd: (stream: Http2Stream) => void;
  #waiting: Http2Stream[] = [];

  constructor(output: ExchangeOutput, frames: ExchangeFrames, onSentEnd: (stream: Http2Stream) => void) {
    super(output, frames, frameSizes);
    this.#frames = frames;
    this.#onSentEnd = onSentEnd;
  }

  /** Takes all; false above the high-water mark. */
  write(stream: Http2Stream, buffer: Uint8Array, offset: number, length: number): boolean {
    const { output } = this;
    let sent = 0;
    if (stream.unsent.length === 0 && !this.isContended) {
      while (sent < length && output.length < directBytes) {
        const bytes = this.copyData(stream, buffer, offset + sent, length - sent);
        if (bytes === 0) break;
        sent += bytes;
      }
    }
    if (sent < length) {
      stream.unsent.append(buffer, offset + sent, length - sent);
      this.enqueue(stream);
    }
    if (stream.unsent.length <= highBytes && !output.isBlocked) return true;
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
  override enqueue(stream: Http2Stream): void {
    if (stream.unsent.length > 0) super.enqueue(stream);
  }

  /** What is unsent goes nowhere. */
  drop(stream: Http2Stream): void {
    stream.unsent.clear();
    stream.hasUnsentEnd = false;
    stream.wantsWritable = false;
  }

  /** One frame, and the end if it was the last. Streams without window wait for its WINDOW_UPDATE outside of the queue. */
  protected override serve(stream: Http2Stream): boolean {
    if (!stream.canSend) {
      this.drop(stream);
      return false;
    }
    let budget = 1;
    stream.unsent.drainTo((buffer, offset, length) =>
      budget-- === 0 ? 0 : this.copyData(stream, buffer, offset, length),
    );
    if (stream.unsent.length > 0) return stream.sendWindow.available > 0;
    if (stream.hasUnsentEnd) {
      stream.hasUnsentEnd = false;
      this.#sendEnd(stream, stream.unsentTrailers);
    }
    return false;
  }

  /** Tells those who stopped and may go on. */
  protected override onFlushed(): void {
    if (this.#waiting.length === 0 || this.output.isBlocked) return;
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

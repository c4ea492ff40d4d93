import { SendWindow } from '../flow-window.ts';
import { defaultWindowBytes, frameHeaderBytes, FrameType } from '../frame-type.ts';
import { writeFrameHeader } from '../frame-writer.ts';
import type { SentData } from '../receiver/receiving-connection.ts';
import type { FrameOutput } from './frame-output.ts';
import type { Http2Frames } from './http2-frames.ts';
import { type QueuedStream, ReadyStreams } from './ready-streams.ts';

/** Fillings of the output in one turn of the loop. */
const fillsPerTurn = 4;

/** What is known of a stream that sends. */
export interface SendingStream extends QueuedStream {
  readonly id: number;
  readonly sendWindow: SendWindow;
}

/** How the DATA of streams is cut. */
export interface FrameSizes {
  /** The most payload of a frame while no other stream waits. */
  readonly soleBytes: number;
  /** A stream's share of a round among others. */
  readonly sharedBytes: number;
  /** Less room than this in the output counts as none: no tiny frames at the end of a slab. */
  readonly leastRoomBytes: number;
}

/**
 * The sending of DATA: streams that have something take turns, as far as the peer's windows and the output allow. Where a
 * stream's bytes come from, a subclass says. Nothing is allocated for a frame.
 *
 * It is a base class and no object beside one, so that a frame costs no further call.
 */
export abstract class Http2Sender<Stream extends SendingStream> implements SentData {
  readonly window: SendWindow = new SendWindow(0, defaultWindowBytes);
  dataFramesSent = 0;
  dataBytesSent = 0;
  protected readonly output: FrameOutput;
  readonly #frames: Http2Frames;
  readonly #sizes: FrameSizes;
  readonly #ready: ReadyStreams<Stream> = new ReadyStreams();

  constructor(output: FrameOutput, frames: Http2Frames, sizes: FrameSizes) {
    this.output = output;
    this.#frames = frames;
    this.#sizes = sizes;
  }

  /** The stream's turn to make at most one frame. Whether it wants another turn. */
  protected abstract serve(stream: Stream): boolean;

  /** What was made has left, as far as it goes: streams that waited for room may fill the output again. */
  protected onFlushed(): void {
    // Those who only wait for their turn need not be told.
  }

  /** The stream gets a turn. */
  enqueue(stream: Stream): void {
    this.#ready.add(stream);
  }

  /** Streams wait and could be served now. */
  get hasWork(): boolean {
    return this.#ready.length > 0 && this.#canSend;
  }

  /** Fills and flushes the output, a bounded number of times. False if the connection's bytes cannot leave any more. */
  pump(): boolean {
    const { output } = this;
    for (let i = 0; i < fillsPerTurn; i++) {
      this.#fill();
      if (!output.flush()) return false;
      this.onFlushed();
      if (output.isBlocked || (output.length === 0 && !this.hasWork)) break;
    }
    return true;
  }

  /** Streams wait for their turn: whoever sends now gets a share. */
  protected get isContended(): boolean {
    return this.#ready.length > 0;
  }

  /** Payload bytes that a DATA frame may have now; 0 or less: windows or the output allow none. */
  protected frameRoom(stream: Stream): number {
    const { soleBytes, sharedBytes } = this.#sizes;
    return Math.min(
      this.isContended ? sharedBytes : soleBytes,
      stream.sendWindow.available,
      this.window.available,
      this.#frames.peerMaxFrameBytes,
      this.output.dataRoom - frameHeaderBytes,
    );
  }

  /** One DATA frame with as much as may be sent now. How many bytes. */
  protected copyData(stream: Stream, buffer: Uint8Array, offset: number, length: number): number {
    const { output } = this;
    const room = output.dataRoom - frameHeaderBytes;
    if (room < this.#sizes.leastRoomBytes && room < length) return 0;
    const bytes = Math.min(length, this.frameRoom(stream));
    if (bytes <= 0 || !output.reserve(frameHeaderBytes + bytes)) return 0;
    output.slab.set(buffer.subarray(offset, offset + bytes), output.position + frameHeaderBytes);
    this.commitData(stream, bytes);
    return bytes;
  }

  /** The payload lies in the output behind the place of its frame header, for which there is room. */
  protected commitData(stream: Stream, bytes: number): void {
    const { output } = this;
    output.commit(writeFrameHeader(output.slab, output.position, bytes, FrameType.data, 0, stream.id) + bytes);
    stream.sendWindow.consume(bytes);
    this.window.consume(bytes);
    this.dataFramesSent += 1;
    this.dataBytesSent += bytes;
  }

  get #canSend(): boolean {
    return this.window.available > 0 && this.output.dataRoom >= this.#sizes.leastRoomBytes;
  }

  /** Round by round, until the output is full or nobody sends. */
  #fill(): void {
    let before: number;
    do {
      before = this.dataFramesSent;
      for (let left = this.#ready.length; left > 0; left--) {
        // Streams stay in the queue while the connection cannot send, so that its next WINDOW_UPDATE finds them.
        if (!this.#canSend) return;
        const stream = this.#ready.shift();
        if (stream !== undefined && this.serve(stream)) this.#ready.add(stream);
      }
    } while (this.dataFramesSent > before && this.#ready.length > 0);
  }
}

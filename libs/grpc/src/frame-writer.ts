/**
 * Writes messages that are framed already to a server's stream, so that one buffer serves any number of streams.
 *
 * grpc-js frames each message by copying it, once for every stream: a full answer of 15 MB to a thousand clients would be
 * 15 GB of memory, and each push costs 2 to 3 times the CPU (measured: 26 against 12 us a message on shared connections).
 * It has no public way around this, so the HTTP/2 stream below the call is looked up by name in the pinned version;
 * where it is not found, messages go the ordinary way. Messages are not counted for channelz.
 */
import { Duplex } from 'node:stream';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { FRAME_PREFIX_BYTES } from './frame-prefix.ts';

/** The sending side of one stream. */
export interface FrameWriter {
  /** Are frames passed on without a copy? */
  readonly isDirect: boolean;
  /**
   * Takes prefix and message; false means "no more until drained". The frame must not change afterwards. What is not
   * drained when the call ends is lost.
   */
  write(frame: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  /** Resets the stream, whatever is still to be sent. */
  abort(): void;
}

/**
 * Use either this or `stream.write`, not both: they do not keep order between each other. With `encoding` frames that say
 * they are compressed are compressed with it; only a direct writer can send them.
 */
export function frameWriter(stream: ServerDuplexStream<Uint8Array, Uint8Array>, encoding?: 'gzip'): FrameWriter {
  const below = streamBelow(stream);
  if (below === undefined) {
    return {
      isDirect: false,
      write: (frame) => stream.write(frame.subarray(FRAME_PREFIX_BYTES)),
      onDrain: (listener) => void stream.on('drain', listener),
      abort: () => void stream.destroy(),
    };
  }
  const metadata = new Metadata();
  if (encoding !== undefined) metadata.set('grpc-encoding', encoding);
  stream.sendMetadata(metadata);
  return new SlicedWriter(below);
}

/**
 * Bytes given to a connection at once. TLS encrypts a write as a whole and keeps what that took for ever: a thousand
 * clients that were each sent 1.7 MB in one write cost 2 GB, in slices 20 MB (measured with Node 26).
 */
const SLICE_BYTES = 64 * 1024;

/** Writes large frames slice by slice. */
class SlicedWriter implements FrameWriter {
  readonly isDirect = true;
  readonly #below: Duplex;
  readonly #drained: (() => void)[] = [];
  /** What of a large frame is still to be written. */
  #rest: Uint8Array | undefined;

  constructor(below: Duplex) {
    this.#below = below;
    below.on('drain', () => {
      if (this.#writeRest()) for (const listener of this.#drained) listener();
    });
  }

  write(frame: Uint8Array): boolean {
    if (!this.#below.writable) return true;
    if (this.#rest === undefined && frame.length <= SLICE_BYTES) return this.#below.write(frame);
    // Frames that come although they were told to wait are few and small.
    this.#rest = this.#rest === undefined ? frame : Buffer.concat([this.#rest, frame]);
    return this.#below.writableNeedDrain ? false : this.#writeRest();
  }

  onDrain(listener: () => void): void {
    this.#drained.push(listener);
  }

  abort(): void {
    this.#below.destroy();
  }

  /** Writes as much as the connection takes; true when it takes more than there is. */
  #writeRest(): boolean {
    let takesMore = true;
    while (takesMore && this.#rest !== undefined && this.#below.writable) {
      const slice = this.#rest.subarray(0, SLICE_BYTES);
      this.#rest = slice.length === this.#rest.length ? undefined : this.#rest.subarray(SLICE_BYTES);
      takesMore = this.#below.write(slice);
    }
    return takesMore && this.#rest === undefined;
  }
}

/** `ServerDuplexStreamImpl.call` is a `BaseServerInterceptingCall`, whose `stream` is Node's HTTP/2 stream. */
function streamBelow(stream: object): Duplex | undefined {
  const call: unknown = Reflect.get(stream, 'call');
  if (typeof call !== 'object' || call === null) return undefined;
  const below: unknown = Reflect.get(call, 'stream');
  return below instanceof Duplex && typeof Reflect.get(below, 'respond') === 'function' ? below : undefined;
}

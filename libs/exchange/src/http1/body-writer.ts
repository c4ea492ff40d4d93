import { chunkSuffixBytes, frameChunk, maxChunkPrefixBytes } from '@ambit/http';
import type { ByteChannel } from '@ambit/net';

import type { FieldList } from '../field-list.ts';
import { headText } from './head-text.ts';

/** How the end of a body that we send is told. `raw`: the connection has become a byte stream. */
export type SentFraming = 'none' | 'length' | 'chunked' | 'untilClose' | 'raw';

/** Chunks up to this size are put together and leave with one write. */
const smallChunkBytes = 4096;
const chunk: Uint8Array = new Uint8Array(maxChunkPrefixBytes + smallChunkBytes + chunkSuffixBytes);

/** Fields that a trailer section must not carry. Spec: RFC 9110 section 6.5.1. */
const notInTrailers: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'authorization',
  'cookie',
  'set-cookie',
  'content-encoding',
  'content-type',
  'content-range',
]);

/** Sends the body of one message in its framing. */
export class BodyWriter {
  readonly #channel: ByteChannel;
  #framing: SentFraming = 'none';
  #left = 0;
  /** More or fewer bytes than announced: the connection must not go on, as the peer counts differently. */
  isBroken = false;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
  }

  /** `bytes` of a body with known length. */
  begin(framing: SentFraming, bytes: number): void {
    this.#framing = framing;
    this.#left = bytes;
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (length === 0) return true;
    switch (this.#framing) {
      case 'none':
        return true;
      case 'length':
        if (length > this.#left) {
          this.isBroken = true;
          return true;
        }
        this.#left -= length;
        return this.#channel.write(buffer, offset, length);
      case 'chunked':
        return this.#writeChunk(buffer, offset, length);
      default:
        return this.#channel.write(buffer, offset, length);
    }
  }

  /** The body is complete. Trailers go out with chunks only. */
  end(trailers: FieldList | undefined): void {
    if (this.#framing === 'length' && this.#left > 0) this.isBroken = true;
    if (this.#framing !== 'chunked') return;
    headText.begin();
    headText.fixed('0');
    headText.endLine();
    for (let i = 0; i < (trailers?.length ?? 0); i++) {
      const name = trailers?.nameAt(i) ?? '';
      if (!notInTrailers.has(name)) headText.field(name, trailers?.valueAt(i) ?? '');
    }
    headText.endLine();
    headText.sendTo(this.#channel);
  }

  #writeChunk(buffer: Uint8Array, offset: number, length: number): boolean {
    const channel = this.#channel;
    if (length <= smallChunkBytes) {
      chunk.set(buffer.subarray(offset, offset + length), maxChunkPrefixBytes);
      const from = frameChunk(chunk, maxChunkPrefixBytes, length);
      return channel.write(chunk, from, maxChunkPrefixBytes + length + chunkSuffixBytes - from);
    }
    // The size line ends where the data would begin.
    const from = writeChunkSize(length);
    channel.write(chunk, from, maxChunkPrefixBytes - from);
    channel.write(buffer, offset, length);
    return channel.write(crlf, 0, crlf.length);
  }
}

const crlf: Uint8Array = Uint8Array.of(0x0d, 0x0a);

function writeChunkSize(length: number): number {
  let at = maxChunkPrefixBytes;
  chunk[--at] = 0x0a;
  chunk[--at] = 0x0d;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 16))
    chunk[--at] = '0123456789abcdef'.charCodeAt(rest % 16);
  return at;
}

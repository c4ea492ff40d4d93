import { ByteCollector } from '../byte-collector.ts';
import { scanTrailers } from './head-scanner.ts';
import { Http1Error } from './http1-error.ts';
import { Http1Head } from './http1-head.ts';
import type { Http1Limits } from './http1-limits.ts';
import { hexDigit } from './octet-class.ts';

const cr = 0x0d;
const lf = 0x0a;
/** A chunk of 4 GiB is enough; more digits are how length arithmetic is made to overflow. */
const maxSizeDigits = 8;

type ChunkState = 'size' | 'sizeLf' | 'data' | 'dataCr' | 'dataLf' | 'trailers' | 'done';

/** Receives the data of chunks; views are valid during the call. */
export interface ChunkSink {
  onBody(buffer: Uint8Array, offset: number, length: number): void;
}

/**
 * Takes the chunked coding off a body, in whatever pieces it arrives. Chunk extensions are refused (nothing uses them but
 * smuggling), trailers are checked. Spec: RFC 9112 section 7.1.
 */
export class ChunkDecoder {
  readonly #limits: Http1Limits;
  readonly #trailers = new ByteCollector();
  #state: ChunkState = 'size';
  #size = 0;
  #digits = 0;
  #isInterrupted = false;
  #trailerHead: Http1Head | undefined;

  constructor(limits: Http1Limits) {
    this.#limits = limits;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** The trailer section of the body that is done, if it had one; valid until the next body begins. */
  get trailers(): Http1Head | undefined {
    return this.#trailerHead;
  }

  /** Makes the push under way return after the sink's call. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  /** Ready for the next body. */
  reset(): void {
    this.#trailerHead = undefined;
    this.#state = 'size';
    this.#size = 0;
    this.#digits = 0;
    this.#trailers.clear();
  }

  /** Reads up to the end of the body and returns the position after what it took. Throws Http1Error. */
  push(buffer: Uint8Array, from: number, to: number, sink: ChunkSink): number {
    let at = from;
    this.#isInterrupted = false;
    while (at < to) {
      const octet = buffer[at] ?? 0;
      switch (this.#state) {
        case 'size':
          this.#sizeOctet(octet);
          at += 1;
          break;
        case 'sizeLf':
          expect(octet, lf);
          this.#state = this.#size === 0 ? 'trailers' : 'data';
          at += 1;
          break;
        case 'data': {
          const length = Math.min(this.#size, to - at);
          this.#size -= length;
          if (this.#size === 0) this.#state = 'dataCr';
          sink.onBody(buffer, at, length);
          at += length;
          if (this.#isInterrupted) return at;
          break;
        }
        case 'dataCr':
          expect(octet, cr);
          this.#state = 'dataLf';
          at += 1;
          break;
        case 'dataLf':
          expect(octet, lf);
          this.#state = 'size';
          this.#digits = 0;
          at += 1;
          break;
        case 'trailers':
          at = this.#trailerOctets(buffer, at, to);
          break;
        case 'done':
          return at;
      }
    }
    return at;
  }

  #sizeOctet(octet: number): void {
    if (octet === cr && this.#digits > 0) {
      this.#state = 'sizeLf';
      return;
    }
    const digit = hexDigit(octet);
    if (digit < 0) throw new Http1Error('chunk', `octet ${octet} in a chunk size`);
    if (++this.#digits > maxSizeDigits) throw new Http1Error('chunk', 'chunk size too long');
    this.#size = this.#size * 16 + digit;
  }

  #trailerOctets(buffer: Uint8Array, from: number, to: number): number {
    const collected = this.#trailers;
    for (let at = from; at < to; at++) {
      collected.append(buffer, at, 1);
      const { bytes, length } = collected;
      if (length > this.#limits.maxTrailerBytes) throw new Http1Error('trailers', 'trailers too large', 431);
      if (bytes[length - 1] !== lf) continue;
      const isEmptyLine =
        (length === 2 && bytes[0] === cr) || (length >= 4 && bytes[length - 2] === cr && bytes[length - 3] === lf);
      if (!isEmptyLine) continue;
      if (length > 2) {
        this.#trailerHead = new Http1Head();
        scanTrailers(this.#trailerHead, bytes, 0, length, this.#limits.maxFields);
      }
      collected.clear();
      this.#state = 'done';
      return at + 1;
    }
    return to;
  }
}

function expect(octet: number, wanted: number): void {
  if (octet !== wanted) throw new Http1Error('chunk', `octet ${octet} where a chunk's line ends`);
}

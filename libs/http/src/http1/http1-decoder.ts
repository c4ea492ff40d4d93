import { ByteCollector } from '../byte-collector.ts';
import { type BodyFraming, requestFraming, responseFraming } from './body-framing.ts';
import { ChunkDecoder } from './chunk-decoder.ts';
import { scanRequestHead, scanResponseHead } from './head-scanner.ts';
import { Http1Error } from './http1-error.ts';
import { Http1Head } from './http1-head.ts';
import type { Http1Limits } from './http1-limits.ts';
import { isTokenOctet } from './octet-class.ts';

/**
 * What an Http1Decoder tells its owner, in wire order and synchronously from `push`.
 * `head` and views are valid during the call. A sink must not push into the decoder that calls it.
 */
export interface Http1Sink {
  /** A request head, or the final head of a response. */
  onHead(head: Http1Head): void;
  /** An informational response (100, 102, 103). The final head follows. */
  onInformational(head: Http1Head): void;
  /** A piece of the body, without its coding. Never empty. */
  onBody(buffer: Uint8Array, offset: number, length: number): void;
  /** The message is complete. */
  onEnd(): void;
}

export type Http1Role = 'request' | 'response';

/**
 * Bytes of one direction of an HTTP/1.1 connection in, messages out. `push` stops at the end of a message, so that a
 * pipelined one is not touched before its owner is ready: call `push` again with the rest.
 *
 * A decoder of responses needs `expectResponse` before the bytes of each; bytes without it are an error, since they
 * are a response to nothing (response queue poisoning). After an Http1Error the decoder is unusable.
 */
export class Http1Decoder {
  readonly head: Http1Head = new Http1Head();
  readonly #role: Http1Role;
  readonly #limits: Http1Limits;
  readonly #sink: Http1Sink;
  readonly #collector = new ByteCollector();
  readonly #chunks: ChunkDecoder;
  #framing: BodyFraming['kind'] | 'head' | 'idle';
  #remaining = 0;
  /** The last octets seen while an end of the head is searched over several pushes. */
  #tail = 0;
  #requestMethod = '';
  #isInterrupted = false;

  constructor(role: Http1Role, sink: Http1Sink, limits: Http1Limits) {
    this.#role = role;
    this.#sink = sink;
    this.#limits = limits;
    this.#chunks = new ChunkDecoder(limits);
    this.#framing = role === 'request' ? 'head' : 'idle';
  }

  /** Between messages: nothing of the next one has arrived. */
  get isIdle(): boolean {
    return this.#framing === 'idle' || (this.#framing === 'head' && this.#collector.length === 0);
  }

  /** Whether a head has begun but is not complete: what a header time-out watches. */
  get isInHead(): boolean {
    return this.#framing === 'head' && this.#collector.length > 0;
  }

  /** Inside `onEnd`: the trailer section, if there was one. Valid during the call. */
  get trailers(): Http1Head | undefined {
    return this.#chunks.trailers;
  }

  /** Makes the push under way return after the sink's call, so that no further piece of a body is told. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#chunks.interrupt();
  }

  /** Announces that the next bytes answer a request with this method. */
  expectResponse(requestMethod: string): void {
    this.#requestMethod = requestMethod;
    this.#framing = 'head';
  }

  /** Reads `buffer[from..to)` up to the end of the message in progress; returns the position after what was read. */
  push(buffer: Uint8Array, from: number, to: number): number {
    let at = from;
    this.#isInterrupted = false;
    while (at < to && !this.#isInterrupted) {
      switch (this.#framing) {
        case 'idle':
          throw new Http1Error('framing', 'bytes that belong to no message');
        case 'head':
          at = this.#pushHead(buffer, at, to);
          if (this.#endsWithHead()) return at;
          break;
        case 'length': {
          const length = Math.min(this.#remaining, to - at);
          this.#remaining -= length;
          this.#sink.onBody(buffer, at, length);
          at += length;
          if (this.#remaining > 0) return at;
          this.#finish();
          return at;
        }
        case 'chunked':
          at = this.#chunks.push(buffer, at, to, this.#sink);
          if (!this.#chunks.isDone) return at;
          this.#finish();
          return at;
        case 'untilClose':
          this.#sink.onBody(buffer, at, to - at);
          return to;
        case 'none':
          return at;
      }
    }
    return at;
  }

  /** The peer has closed its side. Throws Http1Error if a message is cut off; ends a body that ends so. */
  end(): void {
    if (this.#framing === 'untilClose') this.#finish();
    else if (!this.isIdle) throw new Http1Error('framing', 'the connection closed inside a message');
  }

  #pushHead(buffer: Uint8Array, from: number, to: number): number {
    const collector = this.#collector;
    if (collector.length === 0) checkFirstOctet(buffer[from] ?? 0);
    const end = this.#findHeadEnd(buffer, from, to);
    const length = collector.length + (end < 0 ? to : end) - from;
    if (length > this.#limits.maxHeadBytes) {
      throw new Http1Error('head_too_large', `a head of more than ${this.#limits.maxHeadBytes} bytes`, 431);
    }
    if (end < 0) {
      collector.append(buffer, from, to - from);
      return to;
    }
    if (collector.length === 0) {
      this.#readHead(buffer, from, end);
    } else {
      collector.append(buffer, from, end - from);
      const { bytes } = collector;
      const collected = collector.length;
      this.#readHead(bytes, 0, collected);
      collector.clear();
    }
    return end;
  }

  /** The position after the empty line, or -1. Remembers matched octets over calls. */
  #findHeadEnd(buffer: Uint8Array, from: number, to: number): number {
    let matched = this.#tail;
    for (let at = from; at < to; at++) {
      const octet = buffer[at];
      // Bare LF ends lines for lenient readers: counted as an end here, refused by the scanner, which wants CR.
      if (octet === 0x0a) matched += 1;
      else if (octet !== 0x0d) matched = 0;
      if (matched === 2) {
        this.#tail = 0;
        return at + 1;
      }
    }
    this.#tail = matched;
    return -1;
  }

  #readHead(buffer: Uint8Array, from: number, to: number): void {
    const { head } = this;
    if (buffer[to - 2] !== 0x0d) throw new Http1Error('line_ending', 'the head does not end with CRLF');
    if (this.#role === 'request') {
      scanRequestHead(head, buffer, from, to, this.#limits.maxFields);
      this.#begin(requestFraming(head));
      this.#sink.onHead(head);
      return;
    }
    scanResponseHead(head, buffer, from, to, this.#limits.maxFields);
    if (head.status < 200 && head.status !== 101) {
      this.#sink.onInformational(head);
      return;
    }
    this.#begin(responseFraming(head, this.#requestMethod));
    this.#sink.onHead(head);
  }

  #begin(framing: BodyFraming): void {
    this.#framing = framing.kind;
    if (framing.kind === 'length') this.#remaining = framing.bytes;
    // Always, as it holds the trailers of the message before.
    this.#chunks.reset();
  }

  #endsWithHead(): boolean {
    if (this.#framing !== 'none') return false;
    this.#finish();
    return true;
  }

  #finish(): void {
    this.#framing = this.#role === 'request' ? 'head' : 'idle';
    this.#sink.onEnd();
  }
}

/** A TLS or HTTP/2 client on a plain port is told at once, not after a time-out. */
function checkFirstOctet(octet: number): void {
  if (!isTokenOctet(octet)) throw new Http1Error('request_line', `a message does not begin with octet ${octet}`);
}

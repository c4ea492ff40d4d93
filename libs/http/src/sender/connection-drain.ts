import { ErrorCode, maxInt31 } from '../frame-type.ts';
import type { Http2Frames } from './http2-frames.ts';

const drainPayload: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0);

/**
 * A server that takes no new streams says so twice: at once without an id, as requests may be under way, and when the answer to
 * a PING shows that the peer knows, with the last one. Spec: RFC 9113 section 6.8.
 */
export class ConnectionDrain {
  readonly #frames: Http2Frames;
  #phase: 'none' | 'announced' | 'settled' = 'none';

  constructor(frames: Http2Frames) {
    this.#frames = frames;
  }

  get hasBegun(): boolean {
    return this.#phase !== 'none';
  }

  /** No request can be under way: the connection ends with its last stream. */
  get isSettled(): boolean {
    return this.#phase === 'settled';
  }

  begin(): void {
    this.#phase = 'announced';
    this.#frames.goAway(maxInt31, ErrorCode.noError);
    this.#frames.ping(false, drainPayload, 0);
  }

  /** A PING was answered. True if that settles the drain. */
  onPingAnswer(opaque: Uint8Array, offset: number): boolean {
    if (this.#phase !== 'announced' || opaque[offset] !== drainPayload[0]) return false;
    this.#phase = 'settled';
    return true;
  }

  /** A client opens no stream any more: nothing is under way that it does not know of. */
  settle(): void {
    this.#phase = 'settled';
  }
}

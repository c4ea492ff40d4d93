import { ErrorCode, maxInt31 } from './frame-type.ts';
import { Http2Error } from './http2-error.ts';

/**
 * How much we may send, of a stream or of the connection. May be negative after the peer lowered its initial window.
 * Spec: RFC 9113 section 6.9.
 */
export class SendWindow {
  readonly #streamId: number;
  #available: number;

  /** `streamId` 0 is the connection. */
  constructor(streamId: number, available: number) {
    this.#streamId = streamId;
    this.#available = available;
  }

  get available(): number {
    return this.#available;
  }

  /** The caller has checked that `bytes` fit. */
  consume(bytes: number): void {
    this.#available -= bytes;
  }

  /** A WINDOW_UPDATE, or the change of the initial window. @throws Http2Error over 2^31 - 1. */
  increase(bytes: number): void {
    if (this.#available + bytes > maxInt31) {
      throw new Http2Error(ErrorCode.flowControlError, 'window over 2^31 - 1', this.#streamId);
    }
    this.#available += bytes;
  }
}

/**
 * How much the peer may send. Credit goes back in large steps: a WINDOW_UPDATE is due when half the window was used up, or
 * the step that was asked for.
 */
export class ReceiveWindow {
  readonly #streamId: number;
  readonly #stepBytes: number | undefined;
  #size: number;
  #available: number;
  #consumed = 0;

  /** `size`: what the window is refilled to; `available`: what the peer believes it is now; `stepBytes`: half of it if undefined. */
  constructor(streamId: number, size: number, available: number = size, stepBytes?: number) {
    this.#streamId = streamId;
    this.#size = size;
    this.#available = available;
    this.#stepBytes = stepBytes;
  }

  get size(): number {
    return this.#size;
  }

  get available(): number {
    return this.#available;
  }

  /** Bytes received and not yet given back: what its owner may be holding at most. */
  get outstanding(): number {
    return this.#size - this.#available;
  }

  /** A DATA frame with this many flow-controlled bytes came. @throws Http2Error if the peer overran the window. */
  receive(bytes: number): void {
    if (bytes > this.#available) {
      throw new Http2Error(ErrorCode.flowControlError, 'peer overran the window', this.#streamId);
    }
    this.#available -= bytes;
  }

  /** Bytes were passed on. Returns the increment for a WINDOW_UPDATE to send now, or 0. */
  release(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < (this.#stepBytes ?? this.#size / 2)) return 0;
    const increment = this.#consumed;
    this.#consumed = 0;
    this.#available += increment;
    return increment;
  }

  /** Makes the window larger for good; the peer has to be told of as much. */
  grow(bytes: number): void {
    this.#size += bytes;
    this.#available += bytes;
  }

  /** The increment that opens the window to its full size at the start, or 0. */
  open(): number {
    const increment = this.#size - this.#available;
    this.#available = this.#size;
    return increment;
  }
}

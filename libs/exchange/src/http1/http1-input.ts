import type { Http1Decoder } from '@ambit/http';
import type { ByteChannel } from '@ambit/net';

/** Who decides what is read. */
export interface Http1InputOwner {
  /** Bytes may be decoded now. */
  readonly canRead: boolean;
  /** The connection has become a byte stream. */
  readonly isRaw: boolean;
  onRawBytes(buffer: Uint8Array, offset: number, length: number): void;
}

/**
 * The receiving half of an HTTP/1.1 connection: what may not be read yet waits here, at most what the channel had read
 * already, and the channel is paused for as long.
 */
export class Http1Input {
  readonly #decoder: Http1Decoder;
  readonly #channel: ByteChannel;
  readonly #owner: Http1InputOwner;
  #held: Uint8Array | undefined;
  #heldFrom = 0;
  #isUserPaused = false;
  #isChannelPaused = false;
  #isStopped = false;

  constructor(decoder: Http1Decoder, channel: ByteChannel, owner: Http1InputOwner) {
    this.#decoder = decoder;
    this.#channel = channel;
    this.#owner = owner;
  }

  /** Bytes wait. */
  get hasHeld(): boolean {
    return this.#held !== undefined;
  }

  get isPaused(): boolean {
    return this.#isUserPaused;
  }

  /** Bytes of the channel. @throws Http1Error. */
  receive(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#held !== undefined) return this.#append(buffer, offset, length);
    const to = offset + length;
    const at = this.#consume(buffer, offset, to);
    if (at < to && !this.#isStopped) {
      const held = new Uint8Array(to - at);
      held.set(buffer.subarray(at, to));
      this.#held = held;
      this.#heldFrom = 0;
    }
    this.#updateChannel();
  }

  /** Goes on with what waits, as far as that may be read now. @throws Http1Error. */
  proceed(): void {
    const held = this.#held;
    if (held !== undefined) {
      this.#heldFrom = this.#consume(held, this.#heldFrom, held.length);
      if (this.#heldFrom === held.length) this.#held = undefined;
    }
    this.#updateChannel();
  }

  /** The user of the exchange takes nothing for now. */
  pause(): void {
    this.#isUserPaused = true;
    this.#decoder.interrupt();
    this.#updateChannel();
  }

  /** Bytes that wait are read with the next `proceed`. */
  resume(): void {
    this.#isUserPaused = false;
  }

  /** Nothing is read any more. */
  stop(): void {
    this.#isStopped = true;
    this.#held = undefined;
    this.#decoder.interrupt();
    if (this.#isChannelPaused) this.#channel.resume();
    this.#isChannelPaused = false;
  }

  #consume(buffer: Uint8Array, from: number, to: number): number {
    const owner = this.#owner;
    let at = from;
    while (at < to && !this.#isUserPaused && !this.#isStopped && owner.canRead) {
      if (owner.isRaw) {
        owner.onRawBytes(buffer, at, to - at);
        at = to;
      } else {
        at = this.#decoder.push(buffer, at, to);
      }
    }
    return at;
  }

  #append(buffer: Uint8Array, offset: number, length: number): void {
    const held = this.#held?.subarray(this.#heldFrom) ?? new Uint8Array(0);
    const joined = new Uint8Array(held.length + length);
    joined.set(held);
    joined.set(buffer.subarray(offset, offset + length), held.length);
    this.#held = joined;
    this.#heldFrom = 0;
  }

  #updateChannel(): void {
    const isPaused = this.#isUserPaused || this.#held !== undefined;
    if (isPaused === this.#isChannelPaused || this.#isStopped) return;
    this.#isChannelPaused = isPaused;
    if (isPaused) this.#channel.pause();
    else this.#channel.resume();
  }
}

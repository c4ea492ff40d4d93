import type { ByteChannel, ByteChannelUser } from './byte-channel.ts';
import type { NetError } from './net-error.ts';

/** How a bridge ended: `near` or `far` is the side that was lost; undefined when both directions ended properly. */
export interface ChannelBridgeResult {
  readonly bytesToFar: number;
  readonly bytesToNear: number;
  readonly lost: { readonly side: 'near' | 'far'; readonly error: NetError } | undefined;
}

/** One side of a bridge: what comes from it goes to the other. */
class Side implements ByteChannelUser {
  readonly channel: ByteChannel;
  bytes = 0;
  isEnded = false;
  other: Side | undefined;
  readonly #onDone: () => void;
  readonly #onLost: (side: Side, error: NetError) => void;

  constructor(channel: ByteChannel, onDone: () => void, onLost: (side: Side, error: NetError) => void) {
    this.channel = channel;
    this.#onDone = onDone;
    this.#onLost = onLost;
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    this.bytes += length;
    if (this.other?.channel.write(buffer, offset, length) === false) this.channel.pause();
  }

  onEnd(): void {
    this.isEnded = true;
    this.other?.channel.end();
    this.#onDone();
  }

  onWritable(): void {
    this.other?.channel.resume();
  }

  onLost(error: NetError): void {
    this.#onLost(this, error);
  }
}

/**
 * Copies between two channels, which it attaches to and owns, with half-close and back-pressure; what waits is bounded by the
 * channels' high-water marks. A side that is lost takes the other with it, as a loss: half a stream must not look whole.
 */
export class ChannelBridge {
  readonly #near: Side;
  readonly #far: Side;
  readonly #onClose: (result: ChannelBridgeResult) => void;
  #isClosed = false;

  /** `onClose` is called once, never from a call of this class, and not after `close`. */
  constructor(near: ByteChannel, far: ByteChannel, onClose: (result: ChannelBridgeResult) => void) {
    this.#onClose = onClose;
    const onDone = (): void => {
      if (this.#near.isEnded && this.#far.isEnded) this.#finish(undefined);
    };
    const onLost = (side: Side, error: NetError): void => {
      if (this.#isClosed) return;
      side.other?.channel.close();
      this.#finish({ side: side === this.#near ? 'near' : 'far', error });
    };
    this.#near = new Side(near, onDone, onLost);
    this.#far = new Side(far, onDone, onLost);
    this.#near.other = this.#far;
    this.#far.other = this.#near;
    near.attach(this.#near);
    far.attach(this.#far);
  }

  get bytesToFar(): number {
    return this.#near.bytes;
  }

  get bytesToNear(): number {
    return this.#far.bytes;
  }

  /** Ends both sides at once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#near.channel.close();
    this.#far.channel.close();
  }

  #finish(lost: ChannelBridgeResult['lost']): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose({ bytesToFar: this.bytesToFar, bytesToNear: this.bytesToNear, lost });
  }
}

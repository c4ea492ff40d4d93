import type { RevocableTunnel } from '@ambit/hbone';
import { type ByteChannel, type ByteChannelUser, NetError } from '@ambit/net';

/** Open connections to backends that have shown a certificate. */
export class RevocableChannels {
  readonly #open = new Set<RevocableChannel>();

  /** The channel to use instead of this one, which is not attached yet. `isRevoked` is asked only while it is open. */
  watch(inner: ByteChannel, isRevoked: () => boolean): ByteChannel {
    const channel = new RevocableChannel(inner, isRevoked, () => this.#open.delete(channel));
    this.#open.add(channel);
    return channel;
  }

  *[Symbol.iterator](): Generator<RevocableTunnel, void, undefined> {
    for (const connection of this.#open) yield { reporter: 'source', connection };
  }
}

/** A channel that is lost when the peer's certificate is revoked. */
class RevocableChannel implements ByteChannel, ByteChannelUser {
  readonly #inner: ByteChannel;
  readonly #isRevoked: () => boolean;
  readonly #onOver: () => void;
  #user: ByteChannelUser | undefined;
  #isEnding = false;
  #isEndTold = false;
  #isOver = false;
  /** Nobody was there to be told. */
  #untold: NetError | undefined;

  constructor(inner: ByteChannel, isRevoked: () => boolean, onOver: () => void) {
    this.#inner = inner;
    this.#isRevoked = isRevoked;
    this.#onOver = onOver;
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }

  /** False for one that is over: between the question who there is and this one it may have ended. */
  closeIfRevoked(): boolean {
    if (this.#isOver || !this.#isRevoked()) return false;
    const error = new NetError('CHANNEL_LOST', "the backend's certificate is revoked");
    const user = this.#user;
    this.close();
    if (user === undefined) this.#untold = error;
    user?.onLost(error);
    return true;
  }

  attach(user: ByteChannelUser): void {
    if (this.#untold !== undefined) return user.onLost(this.#untold);
    this.#user = user;
    this.#inner.attach(this);
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    return this.#inner.write(buffer, offset, length);
  }

  flush(): void {
    this.#inner.flush();
  }

  end(): void {
    this.#isEnding = true;
    this.#inner.end();
    if (this.#isEndTold) this.#finish();
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(): void {
    this.#user = undefined;
    this.#inner.close();
    this.#finish();
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    this.#user?.onBytes(buffer, offset, length);
  }

  onEnd(): void {
    this.#isEndTold = true;
    this.#user?.onEnd();
    if (this.#isEnding) this.#finish();
  }

  onWritable(): void {
    this.#user?.onWritable();
  }

  onLost(error: NetError): void {
    const user = this.#user;
    this.#user = undefined;
    this.#finish();
    user?.onLost(error);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver();
  }
}

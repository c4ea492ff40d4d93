import { type ByteChannel, type ByteChannelUser, type EventLoop, NetError, type TurnEndTask } from '@ambit/net';

/** Looks at what a client sent first, all of it each time; false: not enough yet. */
export interface PeekUser {
  onPeek(bytes: Buffer): boolean;
  /** The client sent its end, or more than `maxBytes` were not enough. The bytes are kept. */
  onPeekEnd(): void;
  /** The client is gone. */
  onPeekLost(error: NetError): void;
}

/**
 * A channel whose first bytes are looked at before somebody takes it. Until then nobody else may use it; whoever attaches
 * gets the same bytes again, then the channel's own events.
 */
export class PeekedChannel implements ByteChannel, ByteChannelUser, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #inner: ByteChannel;
  readonly #maxBytes: number;
  #peek: PeekUser | undefined;
  #user: ByteChannelUser | undefined;
  #held: Buffer = Buffer.alloc(0);
  #isEndHeld = false;
  #isPaused = false;
  #isClosed = false;
  #isScheduled = false;
  #lost: NetError | undefined;

  /** Attaches itself to `inner`. */
  constructor(loop: EventLoop, inner: ByteChannel, peek: PeekUser, maxBytes: number) {
    this.#loop = loop;
    this.#inner = inner;
    this.#peek = peek;
    this.#maxBytes = maxBytes;
    inner.attach(this);
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }

  attach(user: ByteChannelUser): void {
    if (this.#user !== undefined || this.#isClosed) throw new NetError('BAD_ARGUMENT', 'channel is in use or closed');
    this.#peek = undefined;
    this.#user = user;
    this.#schedule();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    return this.#inner.write(buffer, offset, length);
  }

  flush(): void {
    this.#inner.flush();
  }

  end(): void {
    this.#inner.end();
  }

  pause(): void {
    this.#isPaused = true;
    this.#inner.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#hasHeld) this.#schedule();
    else this.#inner.resume();
  }

  close(): void {
    this.#isClosed = true;
    this.#user = undefined;
    this.#peek = undefined;
    this.#inner.close();
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    this.#deliver();
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#user !== undefined && !this.#hasHeld) return this.#user.onBytes(buffer, offset, length);
    this.#held = Buffer.concat([this.#held, buffer.subarray(offset, offset + length)]);
    const peek = this.#peek;
    if (peek === undefined) return;
    if (peek.onPeek(this.#held)) this.#stopPeeking();
    else if (this.#held.length >= this.#maxBytes) {
      this.#stopPeeking();
      peek.onPeekEnd();
    }
  }

  onEnd(): void {
    if (this.#user !== undefined && !this.#hasHeld) return this.#user.onEnd();
    this.#isEndHeld = true;
    const peek = this.#peek;
    this.#peek = undefined;
    peek?.onPeekEnd();
  }

  onWritable(): void {
    this.#user?.onWritable();
  }

  onLost(error: NetError): void {
    if (this.#peek === undefined && this.#user === undefined) {
      // Whoever attaches is told.
      this.#lost = error;
      return;
    }
    this.#isClosed = true;
    const peek = this.#peek;
    const user = this.#user;
    this.#peek = undefined;
    this.#user = undefined;
    peek?.onPeekLost(error);
    user?.onLost(error);
  }

  get #hasHeld(): boolean {
    return this.#held.length > 0 || this.#isEndHeld;
  }

  /** Until somebody attaches, the rest waits at the peer. */
  #stopPeeking(): void {
    this.#peek = undefined;
    if (this.#user === undefined) this.#inner.pause();
  }

  #deliver(): void {
    const user = this.#user;
    if (user === undefined || this.#isClosed) return;
    if (this.#lost !== undefined) {
      this.#isClosed = true;
      this.#user = undefined;
      user.onLost(this.#lost);
      return;
    }
    if (this.#isPaused) return;
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    if (held.length > 0) user.onBytes(held, 0, held.length);
    if (this.#isClosed || this.#user !== user) return;
    // Paused meanwhile: only the end may still be held.
    if (this.#isPaused) return;
    this.#inner.resume();
    if (!this.#isEndHeld) return;
    this.#isEndHeld = false;
    user.onEnd();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }
}

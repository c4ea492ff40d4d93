import { ErrorCode, errorCodeName } from '@ambit/http';
import { ByteQueue, defaultChannelMarks, NetError } from '@ambit/net';
import type { ByteChannel, ByteChannelUser, EventLoop, TurnEndTask } from '@ambit/net';

import type { HboneError } from './hbone-error.ts';
import type { StreamUser, TunnelStream } from './tunnel-stream.ts';

/** A write of this many bytes goes straight into a frame; what is shorter is collected until the turn ends. */
const directBytes = 16 * 1024;
/** Slabs of kept bytes that go to the user in one turn. */
const slabsPerTurn = 8;

/**
 * A stream of a tunnel as a {@link ByteChannel}. The peer gets credit for what the user was given: what comes while it is
 * paused waits here, at most the stream's window. A reset, or the loss of the tunnel, is told at once, also to a paused
 * user, and drops what waits; but what the peer had ended properly is given first.
 */
export class StreamChannel implements ByteChannel, StreamUser, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #stream: TunnelStream;
  readonly #queue: ByteQueue = new ByteQueue();
  #user: ByteChannelUser | undefined;
  #isClosed = false;
  #isPaused = false;
  #isEnding = false;
  #isEndTold = false;
  #wantsWritable = false;
  #isScheduled = false;
  #lost: NetError | undefined;

  /** The stream has been answered with 200. */
  constructor(loop: EventLoop, stream: TunnelStream) {
    this.#loop = loop;
    this.#stream = stream;
    stream.user = this;
    if (stream.lost !== undefined) this.#lost = tunnelLoss(stream.lost);
    else if (stream.resetCode !== undefined) this.#lost = resetLoss(stream.resetCode);
  }

  get queuedBytes(): number {
    return this.#queue.length;
  }

  attach(user: ByteChannelUser): void {
    if (this.#user !== undefined || this.#isClosed) throw new NetError('BAD_ARGUMENT', 'channel is in use or closed');
    this.#user = user;
    this.#schedule();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.#isClosed || this.#isEnding || !this.#stream.canSend) return true;
    let taken = 0;
    if (length >= directBytes && this.#flushQueue()) taken = this.#copy(buffer, offset, length);
    this.#stream.connection.enqueue(this.#stream);
    if (taken === length) return true;
    this.#queue.append(buffer, offset + taken, length - taken);
    if (this.#queue.length <= defaultChannelMarks.highBytes) return true;
    this.#wantsWritable = true;
    return false;
  }

  flush(): void {
    // The tunnel sends when the turn ends; other streams' bytes leave with it.
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#wantsWritable = false;
    if (this.#queue.length === 0) this.#stream.connection.sendEnd(this.#stream);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#schedule();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#release();
    this.#stream.reset(ErrorCode.cancel);
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    this.#deliver();
  }

  // --- the stream

  onHead(): void {
    // A channel begins after the head.
  }

  onData(buffer: Uint8Array, offset: number, length: number): number {
    if (this.#user === undefined || this.#isPaused) return 0;
    this.#user.onBytes(buffer, offset, length);
    return length;
  }

  onEnd(): void {
    this.#deliver();
  }

  onReset(code: number): void {
    this.#lost = resetLoss(code);
    this.#deliver();
  }

  onLost(error: HboneError): void {
    this.#lost = tunnelLoss(error);
    this.#deliver();
  }

  fill(): boolean {
    if (this.#isClosed) return false;
    if (!this.#stream.canSend) {
      this.#queue.clear();
      return false;
    }
    let isFirst = true;
    this.#queue.drainTo((buffer, offset, length) => {
      if (!isFirst) return 0;
      isFirst = false;
      return this.#copy(buffer, offset, length);
    });
    if (this.#queue.length === 0 && this.#isEnding) {
      this.#stream.connection.sendEnd(this.#stream);
      return false;
    }
    if (this.#wantsWritable && this.#queue.length <= defaultChannelMarks.lowBytes) {
      this.#wantsWritable = false;
      this.#user?.onWritable();
    }
    return this.#queue.length > 0 && this.#stream.sendWindow.available > 0;
  }

  // --- inside

  /** Whether nothing waits before new bytes. */
  #flushQueue(): boolean {
    if (this.#queue.length > 0) this.#queue.drainTo((buffer, offset, length) => this.#copy(buffer, offset, length));
    return this.#queue.length === 0;
  }

  #copy(buffer: Uint8Array, offset: number, length: number): number {
    return Math.max(0, this.#stream.connection.copyInto(this.#stream, buffer, offset, length));
  }

  /** Bytes, then the end, then the loss, as far as the user wants them. */
  #deliver(): void {
    if (this.#user === undefined) return;
    if (this.#lost !== undefined && !this.#stream.isRemoteEnded) return this.#lose(this.#lost);
    for (let i = 0; i < slabsPerTurn && !this.#isPaused && !this.#isClosed; i++) {
      if (this.#stream.handOverPending((buffer, offset, length) => this.#user?.onBytes(buffer, offset, length)) > 0)
        continue;
      if (this.#stream.isRemoteEnded) this.#tellEnd();
      return;
    }
    if (!this.#isPaused) this.#schedule();
  }

  #tellEnd(): void {
    if (!this.#isEndTold) {
      this.#isEndTold = true;
      this.#user?.onEnd();
    }
    // Complete in both directions: nothing was lost.
    if (this.#lost !== undefined && !this.#isEnding) this.#lose(this.#lost);
  }

  #lose(error: NetError): void {
    const user = this.#user;
    this.#release();
    user?.onLost(error);
  }

  #release(): void {
    this.#isClosed = true;
    this.#user = undefined;
    this.#queue.clear();
    this.#stream.dropPending();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#user === undefined) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }
}

function resetLoss(code: number): NetError {
  return new NetError('CHANNEL_LOST', `stream reset by peer: ${errorCodeName(code)}`, { call: 'tunnel', h2Code: code });
}

function tunnelLoss(error: HboneError): NetError {
  return new NetError('CHANNEL_LOST', error.message, { call: 'tunnel' }, error);
}

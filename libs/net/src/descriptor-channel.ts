import { ByteQueue } from './byte-queue.ts';
import type { ByteChannel, ByteChannelUser } from './byte-channel.ts';
import { SocketPort, TlsPort, type ChannelPort } from './channel-port.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from './epoll-events.ts';
import { EAGAIN } from './errno.ts';
import type { EventLoop, IoHandler, TurnEndTask } from './event-loop.ts';
import { io, type Fd } from './io.ts';
import { NetError } from './net-error.ts';
import type { TlsSession } from './tls.ts';

/** When `write` says stop, and when `onWritable` says go on: bytes that wait to leave. */
export interface ChannelMarks {
  readonly highBytes: number;
  readonly lowBytes: number;
}

/** A sender may be a quarter of a MiB ahead of its socket. */
export const defaultChannelMarks: ChannelMarks = { highBytes: 256 * 1024, lowBytes: 64 * 1024 };

/** Edge-triggered: neither a pause nor a full socket costs a system call, the channel remembers what is ready. */
const EPOLLET = 1 << 31;
/** A write of this many bytes goes straight to the port; what is shorter is collected until the turn ends. */
const directBytes = 16 * 1024;
/** Reads of one channel in a turn, before others get theirs. */
const readsPerTurn = 4;
const readBytes = 128 * 1024;
let readBuffer: Uint8Array | undefined;

/**
 * A {@link ByteChannel} over a descriptor that it owns. Writes of a turn leave in one call. The descriptor is closed by
 * itself when both directions have ended; `close` before that sends RST, unless `end` was called and everything has left.
 * A write that fails lets the user read to the end what had come before it says `onLost`.
 */
class DescriptorChannel implements ByteChannel, IoHandler, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #port: ChannelPort;
  readonly #marks: ChannelMarks;
  readonly #queue: ByteQueue = new ByteQueue();
  /** Bytes the port has taken and not sent. */
  #inPort = 0;
  #user: ByteChannelUser | undefined;
  #isReadable = false;
  /** The peer has closed or reset: read until that shows. */
  #isHangup = false;
  #isPaused = false;
  #isReadDone = false;
  /** The port takes no more until EPOLLOUT. */
  #isFull = false;
  #wantsWritable = false;
  #isEnding = false;
  #isEndSent = false;
  #isClosed = false;
  #isScheduled = false;
  #writeFailure: NetError | undefined;

  constructor(loop: EventLoop, port: ChannelPort, marks: ChannelMarks) {
    this.#loop = loop;
    this.#port = port;
    this.#marks = marks;
  }

  get queuedBytes(): number {
    return this.#queue.length + this.#inPort;
  }

  attach(user: ByteChannelUser): void {
    if (this.#user !== undefined || this.#isClosed) throw new NetError('BAD_ARGUMENT', 'channel is in use or closed');
    this.#user = user;
    // What came with the last bytes of a handshake is held by the session, and epoll knows nothing of it.
    this.#isReadable = true;
    this.#loop.add(this.#port.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
    this.#schedule();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.#isClosed || this.#isEnding || this.#writeFailure !== undefined) return true;
    let taken = 0;
    if (length >= directBytes && !this.#isFull && this.#sendQueue()) taken = this.#send(buffer, offset, length);
    if (taken < length && this.#writeFailure === undefined) this.#queue.append(buffer, offset + taken, length - taken);
    this.#schedule();
    if (this.queuedBytes <= this.#marks.highBytes) return true;
    this.#wantsWritable = true;
    return false;
  }

  flush(): void {
    if (!this.#isClosed && !this.#isFull) this.#flush();
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#schedule();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#isReadable) this.#schedule();
  }

  close(): void {
    if (this.#isClosed) return;
    if (!this.#isEndSent) io.resetOnClose(this.#port.fd);
    this.#release();
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0 && this.#isFull) {
      this.#isFull = false;
      this.#schedule();
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) === 0) return;
    if (this.#isReadDone) {
      if ((events & EPOLLERR) !== 0) this.#lose(this.#lost('read', -Math.abs(io.socketError(this.#port.fd))));
      return;
    }
    this.#isReadable = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#isHangup = true;
    this.#read();
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    if (!this.#isFull) this.#flush();
    this.#tellWritable();
    if (this.#isReadable || this.#writeFailure !== undefined) this.#read();
    this.#finishIfDone();
  }

  #read(): void {
    const buffer = (readBuffer ??= Buffer.allocUnsafeSlow(readBytes));
    for (let i = 0; i < readsPerTurn; i++) {
      if (this.#isReadDone && this.#writeFailure !== undefined) return this.#lose(this.#writeFailure);
      if (this.#isPaused || this.#isReadDone || this.#isClosed) return;
      const got = this.#port.read(buffer, 0, buffer.length);
      if (got === -EAGAIN) {
        this.#isReadable = false;
        if (this.#writeFailure !== undefined) this.#lose(this.#writeFailure);
        return;
      }
      if (got <= 0) return this.#onReadEnd(got);
      if (got < buffer.length && !this.#isHangup && !this.#port.hasHidden()) this.#isReadable = false;
      this.#user?.onBytes(buffer, 0, got);
      if (!this.#isReadable && this.#writeFailure === undefined) return;
    }
    this.#schedule();
  }

  #onReadEnd(result: number): void {
    if (this.#writeFailure !== undefined) return this.#lose(this.#writeFailure);
    if (result < 0) return this.#lose(this.#lost('read', result));
    this.#isReadDone = true;
    this.#isReadable = false;
    this.#user?.onEnd();
    this.#finishIfDone();
  }

  #flush(): void {
    if (this.#writeFailure !== undefined || this.#isEndSent) return;
    if (!this.#sendQueue()) return;
    const left = this.#isEnding ? this.#port.end() : this.#port.flush();
    if (left < 0) return this.#failWrite(left);
    this.#inPort = left;
    if (left > 0) this.#isFull = true;
    else if (this.#isEnding) this.#isEndSent = true;
  }

  /** Whether the queue is empty now and the port takes more. */
  #sendQueue(): boolean {
    if (this.#queue.length > 0) {
      this.#queue.drainTo((buffer, offset, length) => this.#send(buffer, offset, length));
    }
    return !this.#isFull && this.#writeFailure === undefined;
  }

  /** Bytes the port took; all of them, in vain, when writing has failed. */
  #send(buffer: Uint8Array, offset: number, length: number): number {
    let total = 0;
    while (total < length) {
      const taken = this.#port.write(buffer, offset + total, length - total);
      if (taken < 0) {
        this.#failWrite(taken);
        return length;
      }
      total += taken;
      if (taken > 0) continue;
      // Only a write that found no room is followed by an edge.
      this.#isFull = true;
      const left = this.#port.flush();
      if (left < 0) this.#failWrite(left);
      else this.#inPort = left;
      break;
    }
    return total;
  }

  #failWrite(result: number): void {
    this.#writeFailure = this.#lost('write', result);
    this.#inPort = 0;
    this.#wantsWritable = false;
    this.#schedule();
  }

  #tellWritable(): void {
    if (!this.#wantsWritable || this.queuedBytes > this.#marks.lowBytes || this.#isEnding) return;
    this.#wantsWritable = false;
    this.#user?.onWritable();
  }

  #finishIfDone(): void {
    if (this.#isReadDone && this.#isEndSent && !this.#isClosed) this.#release();
  }

  #lose(error: NetError): void {
    const user = this.#user;
    io.resetOnClose(this.#port.fd);
    this.#release();
    user?.onLost(error);
  }

  #lost(call: string, result: number): NetError {
    const { text, errno } = this.#port.failure(result);
    return new NetError('CHANNEL_LOST', `${call}: ${text}`, { call, errno });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed || this.#user === undefined) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }

  #release(): void {
    this.#isClosed = true;
    this.#user = undefined;
    this.#queue.clear();
    this.#inPort = 0;
    this.#port.free();
    this.#loop.close(this.#port.fd);
  }
}

/** A channel over a connected socket, which it owns from now on. `attach` before anything is written. */
export function socketChannel(loop: EventLoop, fd: Fd, marks: ChannelMarks = defaultChannelMarks): ByteChannel {
  return new DescriptorChannel(loop, new SocketPort(fd), marks);
}

/** A channel over a TLS session whose handshake is done, and its socket; owns both from now on. */
export function tlsChannel(
  loop: EventLoop,
  session: TlsSession,
  fd: Fd,
  marks: ChannelMarks = defaultChannelMarks,
): ByteChannel {
  return new DescriptorChannel(loop, new TlsPort(session, fd), marks);
}

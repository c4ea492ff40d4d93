import { ByteQueue } from './byte-queue.ts';
import type { ByteChannel, ByteChannelUser } from './byte-channel.ts';
import { errnoName, NetError } from './net-error.ts';
import type { EventLoop, TimerId, TurnEndTask } from './event-loop.ts';
import { io } from './io.ts';
import { TLS_FAILED, TLS_WANT_READ, TLS_WANT_WRITE, type TlsContext, type TlsSession } from './tls.ts';

/** Told once how the handshake ended, never from the constructor. */
export interface TlsLayerUser {
  /** The layer is a channel now, not attached yet; `session` may be looked at as long as it lives. */
  onSecured(channel: ByteChannel, session: TlsSession): void;
  /** The channel below is closed. */
  onSecureFailed(reason: string): void;
}

export interface TlsLayerOptions {
  readonly context: TlsContext;
  readonly role: 'client' | 'server';
  /** A client's: which server it means; undefined sends none. */
  readonly serverName?: string | undefined;
  /** For the handshake. */
  readonly timeoutMs: number;
}

/** How long a channel below may take to end after both ends of the TLS on it. */
const lingerMs = 1000;
const transferBytes = 64 * 1024;
let transfer: Uint8Array | undefined;

/** Used within one call. */
function transferBuffer(): Uint8Array {
  transfer ??= Buffer.allocUnsafeSlow(transferBytes);
  return transfer;
}
let plaintext: Uint8Array | undefined;

/** TLS over any channel: a socket, or a stream of a tunnel. Owns the channel below. */
class TlsLayer implements ByteChannel, ByteChannelUser, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #inner: ByteChannel;
  readonly #session: TlsSession;
  readonly #timer: TimerId;
  /** Came and did not fit into the session yet. */
  readonly #unfed = new ByteQueue();
  #handshakeUser: TlsLayerUser | undefined;
  #user: ByteChannelUser | undefined;
  #isPaused = false;
  #isEndFed = false;
  #isEndTold = false;
  #isEnding = false;
  #isClosed = false;
  #isScheduled = false;
  #lost: NetError | undefined;

  constructor(loop: EventLoop, inner: ByteChannel, options: TlsLayerOptions, user: TlsLayerUser) {
    this.#loop = loop;
    this.#inner = inner;
    this.#handshakeUser = user;
    this.#session = io.tlsMemorySession(options.context, options.role);
    if (options.serverName !== undefined) io.tlsServerName(this.#session, options.serverName);
    this.#timer = loop.setTimer(options.timeoutMs, { onTimer: () => this.#failHandshake('timed out') });
    inner.attach(this);
    this.#schedule();
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }

  attach(user: ByteChannelUser): void {
    if (this.#user !== undefined || this.#isClosed) throw new NetError('BAD_ARGUMENT', 'channel is in use or closed');
    this.#user = user;
    this.#schedule();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.#isClosed || this.#isEnding || this.#lost !== undefined) return true;
    let isWritable = true;
    for (let at = 0; at < length;) {
      const taken = io.tlsWrite(this.#session, buffer, offset + at, length - at);
      if (taken > 0) at += taken;
      else if (taken !== TLS_WANT_WRITE) {
        this.#loseSoon(this.#failure('write', taken));
        return true;
      }
      isWritable = this.#drain();
    }
    return isWritable;
  }

  flush(): void {
    this.#inner.flush();
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    io.tlsShutdown(this.#session);
    this.#drain();
    this.#inner.end();
    // What is complete on both sides closes itself below; the session goes with the end of reading.
    this.#finishIfDone();
  }

  pause(): void {
    this.#isPaused = true;
    if (!this.#isClosed) this.#inner.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#schedule();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#release();
    this.#inner.close();
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    if (this.#handshakeUser !== undefined) return this.#shake();
    if (this.#lost !== undefined) return this.#lose(this.#lost);
    if (this.#isPaused || this.#user === undefined) return;
    this.#inner.resume();
    this.#read();
  }

  // --- the channel below

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#isClosed) return;
    const taken = this.#unfed.length > 0 ? 0 : io.tlsFeed(this.#session, buffer, offset, length);
    if (taken < length) this.#unfed.append(buffer, offset + Math.max(0, taken), length - Math.max(0, taken));
    if (this.#handshakeUser !== undefined) this.#shake();
    else this.#read();
  }

  onEnd(): void {
    if (this.#isClosed) return;
    this.#isEndFed = true;
    if (this.#unfed.length === 0) io.tlsFeed(this.#session, transferBuffer(), 0, 0);
    if (this.#handshakeUser !== undefined) this.#failHandshake('the peer closed the connection');
    else this.#read();
  }

  onWritable(): void {
    if (!this.#isEnding) this.#user?.onWritable();
  }

  onLost(error: NetError): void {
    if (this.#isClosed) return;
    if (this.#handshakeUser !== undefined) return this.#failHandshake(error.message);
    if (this.#user === undefined) {
      this.#lost = error;
      return;
    }
    this.#lose(error);
  }

  // --- inside

  #shake(): void {
    const result = io.tlsHandshake(this.#session);
    const failure = result === TLS_FAILED ? io.tlsError() : '';
    this.#drain();
    if (result === TLS_WANT_READ || result === TLS_WANT_WRITE) return;
    if (result !== 0) return this.#failHandshake(failure === '' ? errnoName(result) : failure);
    const user = this.#handshakeUser;
    this.#handshakeUser = undefined;
    this.#loop.clearTimer(this.#timer);
    // Until somebody attaches, the rest waits at the peer.
    this.#inner.pause();
    user?.onSecured(this, this.#session);
  }

  #failHandshake(reason: string): void {
    const user = this.#handshakeUser;
    if (user === undefined) return;
    this.#handshakeUser = undefined;
    this.#loop.clearTimer(this.#timer);
    // The alert, if there is one, is on its way: an end lets it arrive, and the other side has nothing more to say.
    this.#inner.end();
    this.#inner.flush();
    this.#release();
    this.#inner.close();
    user.onSecureFailed(reason);
  }

  #read(): void {
    const buffer = (plaintext ??= Buffer.allocUnsafeSlow(transferBytes));
    while (!this.#isPaused && !this.#isClosed && this.#user !== undefined) {
      const unfed = this.#unfed.length;
      this.#feed();
      const got = io.tlsRead(this.#session, buffer, 0, buffer.length);
      if (got === TLS_WANT_READ || got === TLS_WANT_WRITE) {
        if (this.#unfed.length === unfed) return;
        continue;
      }
      if (got > 0) {
        this.#user.onBytes(buffer, 0, got);
        continue;
      }
      return got === 0 ? this.#onReadEnd() : this.#lose(this.#failure('read', got));
    }
  }

  #feed(): void {
    if (this.#unfed.length === 0) return;
    this.#unfed.drainTo((bytes, offset, length) => Math.max(0, io.tlsFeed(this.#session, bytes, offset, length)));
    if (this.#unfed.length === 0 && this.#isEndFed) io.tlsFeed(this.#session, transferBuffer(), 0, 0);
  }

  #onReadEnd(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#user?.onEnd();
    this.#finishIfDone();
  }

  /** False when more waits to leave than should. */
  #drain(): boolean {
    const buffer = transferBuffer();
    let isWritable = true;
    for (;;) {
      const got = io.tlsDrain(this.#session, buffer, 0, buffer.length);
      if (got <= 0) return isWritable;
      isWritable = this.#inner.write(buffer, 0, got) && isWritable;
    }
  }

  #finishIfDone(): void {
    if (this.#isEndTold && this.#isEnding && !this.#isClosed) {
      this.#release();
      // The end of the channel below follows close_notify. A peer that keeps it open is not waited for.
      this.#loop.setTimer(lingerMs, { onTimer: () => this.#inner.close() });
    }
  }

  #loseSoon(error: NetError): void {
    this.#lost ??= error;
    this.#schedule();
  }

  #lose(error: NetError): void {
    const user = this.#user;
    this.#release();
    this.#inner.close();
    user?.onLost(error);
  }

  #failure(call: string, result: number): NetError {
    const text = result === TLS_FAILED ? io.tlsError() : errnoName(result);
    return new NetError('CHANNEL_LOST', `${call}: ${text}`, { call, errno: result === TLS_FAILED ? 0 : -result });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }

  #release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#user = undefined;
    this.#unfed.clear();
    io.tlsFree(this.#session);
  }
}

/** Begins TLS over a channel that is not attached yet, and owns it from now on. Throws NetError when no session can be made. */
export function secureChannel(loop: EventLoop, inner: ByteChannel, options: TlsLayerOptions, user: TlsLayerUser): void {
  new TlsLayer(loop, inner, options, user);
}

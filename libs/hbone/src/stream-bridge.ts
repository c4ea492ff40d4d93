import { ErrorCode, errorCodeName } from '@ambit/http';
import { EAGAIN, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, ByteQueue, io } from '@ambit/net';
import type { EventLoop, Fd, IoHandler, TimerHandler, TimerId } from '@ambit/net';

import type { Bridge, BridgeOptions, BridgeSink } from './bridge.ts';
import { EPOLLET, isOrdinaryEnding } from './copy-endings.ts';
import { errnoText, HboneError } from './hbone-error.ts';
import { NO_WINDOW } from './tunnel-sender.ts';
import type { StreamUser, TunnelStream } from './tunnel-stream.ts';
import { writePending } from './write-pending.ts';

/**
 * How long a socket whose tunnel is dead may take to notice its FIN. The peer's program waits for ever; here an
 * application that neither reads nor closes must not hold descriptors that no stream limit counts.
 */
const deadTunnelLingerMs = 30_000;

/**
 * Copies between a connected TCP socket and a stream; owns the socket. Spec: data-plane 1.9.
 *
 * The directions are independent: FIN becomes END_STREAM and the reverse, and the bridge ends when both have ended. No
 * allocation per chunk: bytes to the tunnel are read into the connection's output, bytes from it are written from the
 * read buffer, and only what the socket does not take is copied, bounded by the stream window.
 */
export class StreamBridge implements StreamUser, IoHandler, TimerHandler, Bridge {
  bytesToPeer: number;
  bytesFromPeer = 0;
  readonly #loop: EventLoop;
  readonly #stream: TunnelStream;
  readonly #fd: Fd;
  readonly #sink: BridgeSink;
  #prelude: ByteQueue | undefined;
  /** The socket may have something to read. */
  #isReadable = false;
  /** The socket told of its end: read until it shows. */
  #isHangup = false;
  /** Nothing more comes from the socket, or nobody wants it. */
  #isReadDone = false;
  /** The tunnel gives nothing more. */
  #isRemoteDone = false;
  /** Everything was passed to the socket and its write side is shut down, or it takes nothing more. */
  #isWriteDone = false;
  #isSocketDeaf = false;
  #isClosed = false;
  #error: HboneError | undefined;
  #linger: TimerId | undefined;
  #swallowed: HboneError | undefined;

  constructor(loop: EventLoop, stream: TunnelStream, fd: Fd, sink: BridgeSink, options: BridgeOptions) {
    this.#loop = loop;
    this.#stream = stream;
    this.#fd = fd;
    this.#sink = sink;
    this.bytesToPeer = options.bytesAlreadySent ?? 0;
    loop.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
    if (options.prelude !== undefined) this.#begin(options.prelude);
    stream.user = this;
    if (stream.lost !== undefined) this.onLost(stream.lost);
    else if (stream.resetCode !== undefined) this.onReset(stream.resetCode);
    else if (stream.isRemoteEnded) this.onEnd();
    else this.#flush();
  }

  abort(reason: HboneError): void {
    if (this.#isClosed) return;
    this.#error = reason;
    this.#stream.reset(ErrorCode.cancel);
    this.#close();
  }

  // --- the socket

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0 && (this.#stream.hasPending || this.#prelude !== undefined)) this.#flush();
    if (this.#isClosed || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) === 0) return;
    this.#isReadable = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#isHangup = true;
    if (this.#stream.canSend) this.#stream.connection.enqueue(this.#stream);
    else this.#readDead();
  }

  fill(): boolean {
    if (!this.#isReadable || this.#isReadDone) return false;
    if (!this.#stream.canSend) {
      this.#readDead();
      return false;
    }
    const connection = this.#stream.connection;
    const got = connection.readInto(this.#stream, this.#fd);
    if (got > 0) {
      this.bytesToPeer += got;
      // A short read has emptied the socket: the next bytes come with a new event.
      if (got === connection.lastRoom || this.#isHangup) return true;
      this.#isReadable = false;
      return false;
    }
    if (got === NO_WINDOW) return false;
    if (got === -EAGAIN) {
      this.#isReadable = false;
      return false;
    }
    if (got === 0 || isOrdinaryEnding(got)) {
      if (got < 0) this.#swallowed = new HboneError('COPY_FAILED', `send: ${errnoText(-got)}`);
      this.#stream.connection.sendEnd(this.#stream);
      this.#endRead();
    } else {
      this.abort(new HboneError('COPY_FAILED', `send: ${errnoText(-got)}`, { source: 'downstream' }));
    }
    return false;
  }

  /** The tunnel takes nothing more: only the end of the socket, or bytes in vain, are still to be seen. */
  #readDead(): void {
    if (this.#isReadDone) return;
    const got = io.read(this.#fd, oneByte, 0, 1);
    if (got === -EAGAIN) this.#isReadable = false;
    else this.#endRead();
  }

  #endRead(): void {
    this.#isReadDone = true;
    this.#finishIfDone();
  }

  // --- the tunnel

  onHead(): void {
    // A bridge begins after the head.
  }

  onData(buffer: Uint8Array, offset: number, length: number): number {
    if (this.#isSocketDeaf) return length;
    if (this.#prelude !== undefined) return 0;
    const written = io.write(this.#fd, buffer, offset, length);
    if (written >= 0) {
      this.bytesFromPeer += written;
      return written;
    }
    if (written === -EAGAIN) return 0;
    this.#onWriteError(written);
    return length;
  }

  onEnd(): void {
    this.#isRemoteDone = true;
    this.#flush();
  }

  onReset(code: number): void {
    const isClean = code === ErrorCode.noError || code === ErrorCode.cancel || code === ErrorCode.streamClosed;
    const error = new HboneError('STREAM_RESET', `receive: stream reset by peer: ${errorCodeName(code)}`, {
      details: { h2Code: code },
    });
    if (isClean) this.#swallowed = error;
    else this.#error = error;
    this.#endTunnel();
  }

  onLost(error: HboneError): void {
    if (error.code === 'TUNNEL_LOST') this.#swallowed = error;
    else this.#error = error;
    this.#endTunnel();
  }

  #endTunnel(): void {
    this.#isRemoteDone = true;
    this.#flush();
    if (this.#isClosed) return;
    if (this.#error !== undefined && !this.#stream.hasPending) this.#close();
    else if (this.#isReadable) this.#readDead();
    if (!this.#isClosed && this.#linger === undefined) this.#linger = this.#loop.setTimer(deadTunnelLingerMs, this);
  }

  /** The application has not noticed that its tunnel is dead. */
  onTimer(): void {
    this.#linger = undefined;
    if (!this.#isClosed) this.#close();
  }

  // --- writing to the socket

  #begin(prelude: Uint8Array): void {
    this.#prelude = new ByteQueue();
    this.#prelude.append(prelude, 0, prelude.length);
  }

  /** Prelude, pending bytes and the end, as far as the socket takes them. */
  #flush(): void {
    if (this.#isSocketDeaf) return;
    if (this.#prelude !== undefined) {
      const written = writePending(this.#prelude, this.#fd);
      if (written < 0) return this.#onWriteError(written);
      if (this.#prelude.length > 0) return;
      this.#prelude = undefined;
    }
    const written = this.#stream.flushPending(this.#fd);
    if (written < 0) return this.#onWriteError(written);
    this.bytesFromPeer += written;
    if (!this.#isRemoteDone || this.#stream.hasPending || this.#isWriteDone) return;
    // A socket that has given its end is closed now, which says the same.
    if (!this.#isReadDone) io.shutdownWrite(this.#fd);
    this.#isWriteDone = true;
    if (this.#error !== undefined) this.#close();
    else this.#finishIfDone();
  }

  /** The socket takes nothing more: what the tunnel still brings is dropped, what the socket still has is passed on. */
  #onWriteError(result: number): void {
    const error = new HboneError('COPY_FAILED', `receive: ${errnoText(-result)}`, { source: 'downstream' });
    if (isOrdinaryEnding(result)) this.#swallowed = error;
    else this.#error = error;
    this.#isSocketDeaf = true;
    this.#isWriteDone = true;
    this.#prelude?.clear();
    this.#prelude = undefined;
    this.#stream.dropPending();
    this.#isReadable = true;
    this.#isHangup = true;
    this.#stream.connection.enqueue(this.#stream);
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#isReadDone && this.#isWriteDone && !this.#isClosed) this.#close();
  }

  #close(): void {
    this.#isClosed = true;
    if (this.#linger !== undefined) this.#loop.clearTimer(this.#linger);
    this.#isReadDone = true;
    this.#isSocketDeaf = true;
    this.#loop.close(this.#fd);
    this.#prelude?.clear();
    this.#stream.dropPending();
    // Both directions are over here; a peer that still sends must stop.
    this.#stream.reset(ErrorCode.cancel);
    const { bytesToPeer, bytesFromPeer } = this;
    const error = this.#error;
    const swallowed = this.#swallowed;
    this.#sink.onClose({
      bytesToPeer,
      bytesFromPeer,
      ...(error === undefined ? {} : { error }),
      ...(swallowed === undefined ? {} : { swallowed }),
    });
  }
}

const oneByte: Uint8Array = new Uint8Array(1);

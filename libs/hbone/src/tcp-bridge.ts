import { EAGAIN, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, ByteQueue, io } from '@ambit/net';
import type { EventLoop, Fd, IoHandler, TurnEndTask } from '@ambit/net';

import type { Bridge, BridgeOptions, BridgeSink } from './bridge.ts';
import { EPOLLET, isOrdinaryEnding } from './copy-endings.ts';
import { errnoText, HboneError } from './hbone-error.ts';
import { threadBuffers } from './thread-buffers.ts';
import { writePending } from './write-pending.ts';

/** Chunks one direction copies in a turn before others get theirs. */
const readsPerTurn = 4;

/** One direction of a TcpBridge. Holds at most one chunk that its target did not take. */
class Direction {
  readonly from: Fd;
  readonly to: Fd;
  bytes = 0;
  isReadable = false;
  isHangup = false;
  isDone = false;
  pending: ByteQueue | undefined;

  constructor(from: Fd, to: Fd) {
    this.from = from;
    this.to = to;
  }
}

/** The events of one of the two sockets. */
class Side implements IoHandler {
  readonly #bridge: TcpBridge;
  readonly #reads: Direction;
  readonly #writes: Direction;

  constructor(bridge: TcpBridge, reads: Direction, writes: Direction) {
    this.#bridge = bridge;
    this.#reads = reads;
    this.#writes = writes;
  }

  onEvents(events: number): void {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) {
      this.#reads.isReadable = true;
      if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#reads.isHangup = true;
      this.#bridge.copy(this.#reads);
    }
    if ((events & EPOLLOUT) !== 0 && this.#writes.pending !== undefined) this.#bridge.copy(this.#writes);
  }
}

/** Copies between two connected TCP sockets and owns both: passthrough and port 15006. Endings as StreamBridge. */
export class TcpBridge implements Bridge, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #sink: BridgeSink;
  readonly #toPeer: Direction;
  readonly #fromPeer: Direction;
  #isClosed = false;
  #isScheduled = false;
  #error: HboneError | undefined;
  #swallowed: HboneError | undefined;

  /** `fd` is the near side, `peerFd` the far one. The prelude goes to `peerFd`. */
  constructor(loop: EventLoop, fd: Fd, peerFd: Fd, sink: BridgeSink, options: BridgeOptions = {}) {
    this.#loop = loop;
    this.#sink = sink;
    this.#toPeer = new Direction(fd, peerFd);
    this.#fromPeer = new Direction(peerFd, fd);
    this.#toPeer.bytes = options.bytesAlreadySent ?? 0;
    if (options.prelude !== undefined) {
      this.#toPeer.pending = new ByteQueue();
      this.#toPeer.pending.append(options.prelude, 0, options.prelude.length);
      this.#toPeer.bytes -= options.prelude.length;
    }
    const mask = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    loop.add(fd, mask, new Side(this, this.#toPeer, this.#fromPeer));
    loop.add(peerFd, mask, new Side(this, this.#fromPeer, this.#toPeer));
  }

  get bytesToPeer(): number {
    return Math.max(0, this.#toPeer.bytes);
  }

  get bytesFromPeer(): number {
    return this.#fromPeer.bytes;
  }

  abort(reason: HboneError): void {
    if (this.#isClosed) return;
    this.#error = reason;
    this.#close();
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    this.copy(this.#toPeer);
    this.copy(this.#fromPeer);
  }

  /** Moves what can be moved in one direction. */
  copy(direction: Direction): void {
    if (this.#isClosed || direction.isDone || !this.#flush(direction)) return;
    const buffer = threadBuffers().read;
    for (let i = 0; i < readsPerTurn && direction.isReadable; i++) {
      const got = io.read(direction.from, buffer, 0, buffer.length);
      if (got === -EAGAIN) {
        direction.isReadable = false;
        return;
      }
      if (got <= 0) return this.#end(direction, got, 'send');
      if (got < buffer.length && !direction.isHangup) direction.isReadable = false;
      if (!this.#write(direction, buffer, got)) return;
    }
    if (direction.isReadable) this.#schedule();
  }

  /** False when the target takes no more for now, or at all. */
  #write(direction: Direction, buffer: Uint8Array, length: number): boolean {
    const written = io.write(direction.to, buffer, 0, length);
    if (written < 0 && written !== -EAGAIN) {
      this.#end(direction, written, 'receive');
      return false;
    }
    const taken = Math.max(0, written);
    direction.bytes += taken;
    if (taken === length) return true;
    direction.pending = new ByteQueue();
    direction.pending.append(buffer, taken, length - taken);
    return false;
  }

  #flush(direction: Direction): boolean {
    if (direction.pending === undefined) return true;
    const written = writePending(direction.pending, direction.to);
    if (written < 0) {
      this.#end(direction, written, 'receive');
      return false;
    }
    direction.bytes += written;
    if (direction.pending.length > 0) return false;
    direction.pending = undefined;
    return true;
  }

  /** `result` 0 is FIN, else -errno of the side that `half` names. */
  #end(direction: Direction, result: number, half: 'send' | 'receive'): void {
    direction.isDone = true;
    direction.pending?.clear();
    direction.pending = undefined;
    if (result < 0) {
      const error = new HboneError('COPY_FAILED', `${half}: ${errnoText(-result)}`);
      if (!isOrdinaryEnding(result)) {
        this.#error = error;
        return this.#close();
      }
      this.#swallowed = error;
    }
    io.shutdownWrite(direction.to);
    if (this.#toPeer.isDone && this.#fromPeer.isDone) this.#close();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }

  #close(): void {
    this.#isClosed = true;
    for (const direction of [this.#toPeer, this.#fromPeer]) {
      direction.pending?.clear();
      direction.pending = undefined;
      this.#loop.close(direction.from);
    }
    const { bytesToPeer, bytesFromPeer } = this;
    this.#sink.onClose({
      bytesToPeer,
      bytesFromPeer,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(this.#swallowed === undefined ? {} : { swallowed: this.#swallowed }),
    });
  }
}

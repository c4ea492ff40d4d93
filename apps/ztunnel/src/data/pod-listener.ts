import { EAGAIN, EPOLLIN, type EventLoop, type Fd, io, type IoHandler } from '@ambit/net';
import type { PendingLimit } from './pending-limit.ts';

/** Connections taken in one turn, so that one busy listener does not hold up the others. */
const acceptsPerTurn = 64;
/** After an accept that failed for want of descriptors or memory. */
const pauseMs = 100;
const ECONNABORTED = 103;
const EINTR = 4;

/** A listening socket of a pod. */
export class PodListener implements IoHandler {
  readonly #loop: EventLoop;
  readonly #fd: Fd;
  readonly #pending: PendingLimit;
  readonly #onAccepted: (fd: Fd) => void;
  readonly #beforeAccept: () => void;
  #isClosed = false;

  /** Owns `fd` from here on. `onAccepted` owns what it is given. `beforeAccept` may close the listener. */
  constructor(loop: EventLoop, fd: Fd, pending: PendingLimit, onAccepted: (fd: Fd) => void, beforeAccept: () => void) {
    this.#beforeAccept = beforeAccept;
    this.#loop = loop;
    this.#fd = fd;
    this.#pending = pending;
    this.#onAccepted = onAccepted;
    loop.add(fd, EPOLLIN, this);
  }

  onEvents(): void {
    this.#beforeAccept();
    for (let i = 0; i < acceptsPerTurn && !this.#isClosed; i++) {
      if (this.#pending.isFull) {
        this.#loop.modify(this.#fd, 0);
        this.#pending.whenRoom(this);
        return;
      }
      const fd = io.accept(this.#fd);
      if (fd >= 0) {
        this.#onAccepted(fd);
      } else if (fd === -EAGAIN) {
        return;
      } else if (fd !== -ECONNABORTED && fd !== -EINTR) {
        // Out of descriptors: the connection stays in the backlog, and epoll would spin on it.
        this.#loop.modify(this.#fd, 0);
        this.#loop.setTimer(pauseMs, { onTimer: () => this.onRoom() });
        return;
      }
    }
  }

  onRoom(): void {
    if (!this.#isClosed) this.#loop.modify(this.#fd, EPOLLIN);
  }

  /**
   * Takes what has arrived and closes: the kernel resets what a closed listener had not taken, even when another process
   * listens on the same port.
   */
  drain(): void {
    while (!this.#isClosed && !this.#pending.isFull) {
      const fd = io.accept(this.#fd);
      if (fd >= 0) this.#onAccepted(fd);
      else if (fd !== -ECONNABORTED && fd !== -EINTR) break;
    }
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pending.cancel(this);
    this.#loop.remove(this.#fd);
    io.close(this.#fd);
  }
}

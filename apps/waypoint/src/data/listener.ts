import { EAGAIN, ECONNABORTED, EINTR, EPOLLIN, type EventLoop, type Fd, io, type IoHandler } from '@ambit/net';

/** Connections taken in one turn, so that one busy listener does not hold up the others. */
const acceptsPerTurn = 64;
/** After an accept that failed for want of descriptors or memory. */
const pauseMs = 100;

/** A listening socket. */
export class Listener implements IoHandler {
  readonly port: number;
  readonly #loop: EventLoop;
  readonly #fd: Fd;
  readonly #onAccepted: (fd: Fd) => void;
  #isClosed = false;

  /** Owns `fd` from here on; `onAccepted` owns what it is given. */
  constructor(loop: EventLoop, fd: Fd, onAccepted: (fd: Fd) => void) {
    this.#loop = loop;
    this.#fd = fd;
    this.#onAccepted = onAccepted;
    this.port = io.localAddress(fd).port;
    loop.add(fd, EPOLLIN, this);
  }

  onEvents(): void {
    for (let i = 0; i < acceptsPerTurn && !this.#isClosed; i++) {
      const fd = io.accept(this.#fd);
      if (fd >= 0) this.#onAccepted(fd);
      else if (fd === -EAGAIN) return;
      else if (fd !== -ECONNABORTED && fd !== -EINTR) return this.#pause();
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#loop.close(this.#fd);
  }

  /** Out of descriptors: the connection stays in the backlog, and epoll would spin on it. */
  #pause(): void {
    this.#loop.modify(this.#fd, 0);
    this.#loop.setTimer(pauseMs, {
      onTimer: () => {
        if (!this.#isClosed) this.#loop.modify(this.#fd, EPOLLIN);
      },
    });
  }
}

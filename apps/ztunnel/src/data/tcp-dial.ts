import {
  EPOLLOUT,
  type EventLoop,
  type Fd,
  io,
  type IoHandler,
  type TcpConnectOptions,
  type TimerId,
} from '@ambit/net';
import type { Admitted } from '@ambit/policy';

/** Spec: contract data-plane 1.6 step 8. */
export const connectTimeoutMs = 10_000;

/** ETIMEDOUT, also when our own deadline is the reason. */
const timedOut = -110;

/** Takes the outcome of a dial; one call, unless the dial is cancelled. */
export interface DialListener {
  /** The descriptor is the listener's from here on. */
  onConnected(fd: Fd): void;
  /** Negative errno. */
  onDialFailed(errno: number): void;
}

/** A connect, and how long sent data may stay unacknowledged before the connection counts as dead. */
export interface DialOptions extends TcpConnectOptions {
  readonly userTimeoutMs?: number;
}

/** A TCP connect in progress. */
export class TcpDial implements IoHandler {
  readonly #loop: EventLoop;
  readonly #listener: DialListener;
  readonly #fd: Fd;
  readonly #timer: TimerId | undefined;
  #isOver = false;

  /** Begins at once; the outcome comes in a later turn. */
  constructor(loop: EventLoop, options: DialOptions, listener: DialListener) {
    this.#loop = loop;
    this.#listener = listener;
    this.#fd = io.tcpConnect(options);
    if (this.#fd < 0) {
      const errno = this.#fd;
      this.#timer = loop.setTimer(0, { onTimer: () => this.#fail(errno) });
      return;
    }
    if (options.userTimeoutMs !== undefined) io.setUserTimeout(this.#fd, options.userTimeoutMs);
    loop.add(this.#fd, EPOLLOUT, this);
    this.#timer = loop.setTimer(connectTimeoutMs, { onTimer: () => this.#fail(timedOut) });
  }

  onEvents(): void {
    if (this.#isOver) return;
    const error = io.socketError(this.#fd);
    if (error < 0) {
      this.#fail(error);
      return;
    }
    this.#end();
    this.#loop.remove(this.#fd);
    this.#listener.onConnected(this.#fd);
  }

  /** Gives up without a call. */
  cancel(): void {
    if (this.#isOver) return;
    this.#end();
    this.#close();
  }

  #fail(errno: number): void {
    if (this.#isOver) return;
    this.#end();
    this.#close();
    this.#listener.onDialFailed(errno);
  }

  #end(): void {
    this.#isOver = true;
    if (this.#timer !== undefined) this.#loop.clearTimer(this.#timer);
  }

  #close(): void {
    if (this.#fd < 0) return;
    this.#loop.remove(this.#fd);
    io.close(this.#fd);
  }
}

/**
 * Opens the way to the application of this pod. There is no other: the permit of `authorize` names
 * the port, and only `authorize` can make one.
 */
export function dialApplication(
  loop: EventLoop,
  permit: Admitted,
  options: Omit<DialOptions, 'port'>,
  listener: DialListener,
): TcpDial {
  return new TcpDial(loop, { ...options, port: permit.context.destinationPort }, listener);
}

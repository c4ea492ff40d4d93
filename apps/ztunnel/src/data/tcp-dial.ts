import {
  EPOLLOUT,
  type EventLoop,
  type Fd,
  io,
  type IoHandler,
  type TcpConnectOptions,
  type TimerId,
  type TurnEndTask,
} from '@ambit/net';
import type { Admitted } from '@ambit/policy';

/** Spec: contract data-plane 1.6 step 8. */
export const connectTimeoutMs = 10_000;

/** ETIMEDOUT, also when our own deadline is the reason. */
const timedOut = -110;

/** Takes the outcome of a dial; one call, unless the dial is cancelled. */
export interface DialListener {
  /** The descriptor is the listener's from here on; the loop may still watch it for the dial, until another handler is added. */
  onConnected(fd: Fd): void;
  /** Negative errno. */
  onDialFailed(errno: number): void;
}

/** A connect, and how long sent data may stay unacknowledged before the connection counts as dead. */
export interface DialOptions extends TcpConnectOptions {
  readonly userTimeoutMs?: number;
}

/** A TCP connect in progress. */
export class TcpDial implements IoHandler, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #listener: DialListener;
  readonly #fd: Fd;
  readonly #timer: TimerId | undefined;
  #isOver = false;

  /** Begins at once; the outcome comes after this call, for a target in this pod mostly at the end of the turn. */
  constructor(loop: EventLoop, options: DialOptions, listener: DialListener, isInPod = false) {
    this.#loop = loop;
    this.#listener = listener;
    this.#fd = io.tcpConnect(options);
    if (this.#fd < 0) {
      const errno = this.#fd;
      this.#timer = loop.setTimer(0, { onTimer: () => this.#fail(errno) });
      return;
    }
    if (options.userTimeoutMs !== undefined) io.setUserTimeout(this.#fd, options.userTimeoutMs);
    // Within one kernel the handshake is over when `connect` returns.
    if (isInPod && io.isConnected(this.#fd)) {
      loop.atTurnEnd(this);
      return;
    }
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
    this.#succeed();
  }

  onTurnEnd(): void {
    if (!this.#isOver) this.#succeed();
  }

  /** Gives up without a call. */
  cancel(): void {
    if (this.#isOver) return;
    this.#end();
    this.#close();
  }

  /** The listener's bridge takes the watch over. */
  #succeed(): void {
    this.#end();
    this.#listener.onConnected(this.#fd);
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
    if (this.#fd >= 0) this.#loop.close(this.#fd);
  }
}

/**
 * Opens the way to the application of this pod. There is no other: the permit of `authorize` names
 * the port, and only `authorize` can make one. Without keepalive: both ends live in one kernel, which tells of an end.
 */
export function dialApplication(
  loop: EventLoop,
  permit: Admitted,
  options: Omit<DialOptions, 'port' | 'keepalive' | 'userTimeoutMs'>,
  listener: DialListener,
): TcpDial {
  return new TcpDial(loop, { ...options, port: permit.context.destinationPort }, listener, true);
}

import { tlsChannel, type ChannelMarks } from './descriptor-channel.ts';
import { EPOLLIN, EPOLLOUT } from './epoll-events.ts';
import type { EventLoop, IoHandler, TimerId } from './event-loop.ts';
import { io, type Fd } from './io.ts';
import { TLS_FAILED, TLS_WANT_READ, TLS_WANT_WRITE, type TlsContext, type TlsSession } from './tls.ts';
import type { TlsLayerUser } from './tls-layer.ts';
import { errnoName } from './net-error.ts';

export interface TlsHandshakeOptions {
  readonly context: TlsContext;
  readonly role: 'client' | 'server';
  /** A client's: which server it means; undefined sends none. */
  readonly serverName?: string;
  /** For the handshake. */
  readonly timeoutMs: number;
  readonly marks?: ChannelMarks;
}

/** The handshake of one socket. */
class SocketHandshake implements IoHandler, Disposable {
  readonly #loop: EventLoop;
  readonly #fd: Fd;
  readonly #session: TlsSession;
  readonly #marks: ChannelMarks | undefined;
  readonly #timer: TimerId;
  #user: TlsLayerUser | undefined;

  constructor(loop: EventLoop, fd: Fd, options: TlsHandshakeOptions, user: TlsLayerUser) {
    const { context, role, serverName, timeoutMs, marks } = options;
    this.#loop = loop;
    this.#fd = fd;
    this.#user = user;
    this.#marks = marks;
    this.#session = io.tlsSession(context, fd, role);
    if (serverName !== undefined) io.tlsServerName(this.#session, serverName);
    this.#timer = loop.setTimer(timeoutMs, { onTimer: () => this.#fail('timed out') });
    // A client begins as soon as its socket is connected, a server with the client's first bytes.
    loop.add(fd, role === 'client' ? EPOLLOUT : EPOLLIN, this);
  }

  onEvents(): void {
    const user = this.#user;
    if (user === undefined) return;
    const result = io.tlsHandshake(this.#session);
    if (result === TLS_WANT_READ) return this.#loop.modify(this.#fd, EPOLLIN);
    if (result === TLS_WANT_WRITE) return this.#loop.modify(this.#fd, EPOLLIN | EPOLLOUT);
    if (result !== 0) return this.#fail(result === TLS_FAILED ? io.tlsError() : errnoName(result));
    this.#user = undefined;
    this.#loop.clearTimer(this.#timer);
    this.#loop.remove(this.#fd);
    user.onSecured(tlsChannel(this.#loop, this.#session, this.#fd, this.#marks), this.#session);
  }

  [Symbol.dispose](): void {
    if (this.#user === undefined) return;
    this.#user = undefined;
    this.#loop.clearTimer(this.#timer);
    io.tlsFree(this.#session);
    this.#loop.close(this.#fd);
  }

  #fail(reason: string): void {
    const user = this.#user;
    this[Symbol.dispose]();
    user?.onSecureFailed(reason);
  }
}

/**
 * Begins TLS on a connected or connecting socket that nobody watches, and owns it from now on: what `secureChannel` does
 * over any channel, with a copy of the bytes less. Disposing gives an unfinished handshake up without telling; afterwards
 * the channel is the user's. Throws NetError when no session can be made; the socket is the caller's then.
 */
export function secureSocket(loop: EventLoop, fd: Fd, options: TlsHandshakeOptions, user: TlsLayerUser): Disposable {
  return new SocketHandshake(loop, fd, options, user);
}

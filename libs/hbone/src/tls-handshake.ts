import { EPOLLIN, EPOLLOUT, io, TLS_WANT_READ, TLS_WANT_WRITE } from '@ambit/net';
import type { EventLoop, Fd, IoHandler, TimerHandler, TimerId, TlsContext, TlsSession } from '@ambit/net';

import { HboneError } from './hbone-error.ts';

/** Told once how a handshake ended. On success the session is the receiver's; on failure it is freed already. */
export interface TlsHandshakeUser {
  onHandshake(session: TlsSession): void;
  onHandshakeFailed(error: HboneError): void;
}

/** One TLS handshake on a connected socket, with a time limit. Does not own the socket. */
export class TlsHandshake implements IoHandler, TimerHandler {
  readonly #loop: EventLoop;
  readonly #fd: Fd;
  readonly #session: TlsSession;
  readonly #user: TlsHandshakeUser;
  readonly #timer: TimerId;
  #isDone = false;

  /** Throws NetError when no session can be made. */
  constructor(
    loop: EventLoop,
    fd: Fd,
    context: TlsContext,
    role: 'client' | 'server',
    timeoutMs: number,
    user: TlsHandshakeUser,
  ) {
    this.#loop = loop;
    this.#fd = fd;
    this.#user = user;
    this.#session = io.tlsSession(context, fd, role);
    this.#timer = loop.setTimer(timeoutMs, this);
    loop.remove(fd);
    loop.add(fd, EPOLLIN, this);
    if (role === 'client') this.onEvents();
  }

  onEvents(): void {
    if (this.#isDone) return;
    const result = io.tlsHandshake(this.#session);
    if (result === TLS_WANT_READ) this.#loop.modify(this.#fd, EPOLLIN);
    else if (result === TLS_WANT_WRITE) this.#loop.modify(this.#fd, EPOLLIN | EPOLLOUT);
    else if (result === 0) {
      this.#end();
      this.#user.onHandshake(this.#session);
    } else {
      const text = io.tlsError();
      if (io.tlsRevoked(this.#session) === 0) this.#fail(new HboneError('TLS_FAILED', text, { retryable: true }));
      else this.#fail(new HboneError('CERT_REVOKED', text, { details: { isHandshake: true } }));
    }
  }

  onTimer(): void {
    this.#fail(new HboneError('TLS_FAILED', 'tls handshake error: timed out', { retryable: true }));
  }

  /** Gives up without telling. */
  cancel(): void {
    if (this.#isDone) return;
    this.#end();
    io.tlsFree(this.#session);
  }

  #fail(error: HboneError): void {
    if (this.#isDone) return;
    this.#end();
    io.tlsFree(this.#session);
    this.#user.onHandshakeFailed(error);
  }

  #end(): void {
    this.#isDone = true;
    this.#loop.clearTimer(this.#timer);
    this.#loop.remove(this.#fd);
  }
}

import { EAGAIN, EPOLLIN, EPOLLOUT, EPOLLRDHUP, io, TLS_FAILED, TLS_WANT_READ, TLS_WANT_WRITE } from '@ambit/net';
import type { EventLoop, Fd, IoHandler, TlsSession } from '@ambit/net';

import { errnoText } from './hbone-error.ts';

/**
 * What HTTP/2 runs over: a TLS session on a socket, a bare socket in conformance tests, or later a TLS session inside
 * another stream. Owned by one connection, which closes it once.
 */
export interface ByteTransport {
  /** Bytes read, 0 at the end, -EAGAIN if none are there, another negative number on failure. */
  read(buffer: Uint8Array, offset: number, length: number): number;
  /** Bytes taken, fewer than given when full; negative on failure. Taken bytes leave with `flush`. */
  write(buffer: Uint8Array, offset: number, length: number): number;
  /** Bytes still to leave; negative on failure. */
  flush(): number;
  /** Which events to wait for; level-triggered. */
  wait(readable: boolean, writable: boolean): void;
  /** Reports events to `handler` from now on. */
  attach(handler: IoHandler): void;
  /** Tells the peer that nothing more comes. */
  end(): void;
  /** Reads and drops what has come; false at the end or on failure. Only after `end`. */
  discard(scratch: Uint8Array): boolean;
  /** The peer's certificate has been revoked since. */
  isPeerRevoked(): boolean;
  /** Text for the last failure with this result. */
  failure(result: number): string;
  close(): void;
}

class SocketEvents {
  readonly fd: Fd;
  readonly #loop: EventLoop;
  #isAttached = false;

  constructor(loop: EventLoop, fd: Fd) {
    this.#loop = loop;
    this.fd = fd;
  }

  attach(handler: IoHandler): void {
    this.#loop.remove(this.fd);
    this.#loop.add(this.fd, EPOLLIN | EPOLLRDHUP, handler);
    this.#isAttached = true;
  }

  wait(readable: boolean, writable: boolean): void {
    if (this.#isAttached) this.#loop.modify(this.fd, (readable ? EPOLLIN | EPOLLRDHUP : 0) | (writable ? EPOLLOUT : 0));
  }

  discard(scratch: Uint8Array): boolean {
    for (let i = 0; i < 16; i++) {
      const got = io.read(this.fd, scratch, 0, scratch.length);
      if (got === -EAGAIN) return true;
      if (got <= 0) return false;
    }
    return true;
  }

  close(): void {
    this.#loop.remove(this.fd);
    io.close(this.fd);
  }
}

/** TLS over a connected socket; owns both. The handshake is done. */
export class TlsTransport implements ByteTransport {
  readonly #session: TlsSession;
  readonly #socket: SocketEvents;

  constructor(loop: EventLoop, session: TlsSession, fd: Fd) {
    this.#session = session;
    this.#socket = new SocketEvents(loop, fd);
  }

  read(buffer: Uint8Array, offset: number, length: number): number {
    const result = io.tlsRead(this.#session, buffer, offset, length);
    return result === TLS_WANT_READ || result === TLS_WANT_WRITE ? -EAGAIN : result;
  }

  write(buffer: Uint8Array, offset: number, length: number): number {
    const result = io.tlsWrite(this.#session, buffer, offset, length);
    return result === TLS_WANT_WRITE || result === TLS_WANT_READ ? 0 : result;
  }

  flush(): number {
    return io.tlsFlush(this.#session);
  }

  wait(readable: boolean, writable: boolean): void {
    this.#socket.wait(readable, writable);
  }

  attach(handler: IoHandler): void {
    this.#socket.attach(handler);
  }

  end(): void {
    io.tlsShutdown(this.#session);
    io.shutdownWrite(this.#socket.fd);
  }

  discard(scratch: Uint8Array): boolean {
    return this.#socket.discard(scratch);
  }

  isPeerRevoked(): boolean {
    return io.tlsRevoked(this.#session) === 1;
  }

  failure(result: number): string {
    return result === TLS_FAILED ? io.tlsError() : errnoText(-result);
  }

  close(): void {
    io.tlsFree(this.#session);
    this.#socket.close();
  }
}

/** A bare socket: for conformance tests of the HTTP/2 half only, never for HBONE. Owns the socket. */
export class PlainTransport implements ByteTransport {
  readonly #socket: SocketEvents;

  constructor(loop: EventLoop, fd: Fd) {
    this.#socket = new SocketEvents(loop, fd);
  }

  read(buffer: Uint8Array, offset: number, length: number): number {
    return io.read(this.#socket.fd, buffer, offset, length);
  }

  write(buffer: Uint8Array, offset: number, length: number): number {
    const result = io.write(this.#socket.fd, buffer, offset, length);
    return result === -EAGAIN ? 0 : result;
  }

  flush(): number {
    return 0;
  }

  wait(readable: boolean, writable: boolean): void {
    this.#socket.wait(readable, writable);
  }

  attach(handler: IoHandler): void {
    this.#socket.attach(handler);
  }

  end(): void {
    io.shutdownWrite(this.#socket.fd);
  }

  discard(scratch: Uint8Array): boolean {
    return this.#socket.discard(scratch);
  }

  isPeerRevoked(): boolean {
    return false;
  }

  failure(result: number): string {
    return errnoText(-result);
  }

  close(): void {
    this.#socket.close();
  }
}

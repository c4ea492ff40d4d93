import { EAGAIN } from './errno.ts';
import { io, type Fd } from './io.ts';
import { errnoName } from './net-error.ts';
import { TLS_FAILED, TLS_WANT_READ, TLS_WANT_WRITE, type TlsSession } from './tls.ts';

/** How a channel moves bytes: the calls that differ between a socket and a TLS session on it. */
export interface ChannelPort {
  readonly fd: Fd;
  /** Bytes read, 0 at the end, -EAGAIN if none are there, another negative number on failure. */
  read(buffer: Uint8Array, offset: number, length: number): number;
  /** After a read of fewer bytes than asked for: something waits of which epoll does not tell. */
  hasHidden(): boolean;
  /** Bytes taken, fewer than given when full; negative on failure. Taken bytes leave with `flush` at the latest. */
  write(buffer: Uint8Array, offset: number, length: number): number;
  /** Bytes still to leave; negative on failure. */
  flush(): number;
  /** Tells the peer that nothing more comes; as `flush`. Again until it answers 0. */
  end(): number;
  /** Text and errno (0: none) of the last failure. */
  failure(result: number): { readonly text: string; readonly errno: number };
  /** Frees what belongs to the port beside the descriptor. */
  free(): void;
}

function systemFailure(result: number): { readonly text: string; readonly errno: number } {
  return { text: errnoName(result), errno: -result };
}

/** A connected socket. */
export class SocketPort implements ChannelPort {
  readonly fd: Fd;

  constructor(fd: Fd) {
    this.fd = fd;
  }

  read(buffer: Uint8Array, offset: number, length: number): number {
    return io.read(this.fd, buffer, offset, length);
  }

  hasHidden(): boolean {
    return false;
  }

  write(buffer: Uint8Array, offset: number, length: number): number {
    const result = io.write(this.fd, buffer, offset, length);
    return result === -EAGAIN ? 0 : result;
  }

  flush(): number {
    return 0;
  }

  end(): number {
    return io.shutdownWrite(this.fd);
  }

  failure(result: number): { readonly text: string; readonly errno: number } {
    return systemFailure(result);
  }

  free(): void {
    // The descriptor is the channel's.
  }
}

/** A TLS session on a connected socket, after the handshake. */
export class TlsPort implements ChannelPort {
  readonly fd: Fd;
  readonly #session: TlsSession;
  #isEnded = false;

  constructor(session: TlsSession, fd: Fd) {
    this.fd = fd;
    this.#session = session;
  }

  read(buffer: Uint8Array, offset: number, length: number): number {
    const result = io.tlsRead(this.#session, buffer, offset, length);
    return result === TLS_WANT_READ || result === TLS_WANT_WRITE ? -EAGAIN : result;
  }

  hasHidden(): boolean {
    return io.tlsPending(this.#session) === 1;
  }

  write(buffer: Uint8Array, offset: number, length: number): number {
    const result = io.tlsWrite(this.#session, buffer, offset, length);
    return result === TLS_WANT_WRITE || result === TLS_WANT_READ ? 0 : result;
  }

  flush(): number {
    return io.tlsFlush(this.#session);
  }

  end(): number {
    const left = this.#isEnded ? io.tlsFlush(this.#session) : io.tlsShutdown(this.#session);
    this.#isEnded = true;
    if (left === 0) io.shutdownWrite(this.fd);
    return left;
  }

  failure(result: number): { readonly text: string; readonly errno: number } {
    return result === TLS_FAILED ? { text: io.tlsError(), errno: 0 } : systemFailure(result);
  }

  free(): void {
    io.tlsFree(this.#session);
  }
}

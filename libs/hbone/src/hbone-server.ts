import type { EventLoop, Fd, TlsContext } from '@ambit/net';

import type { HboneError } from './hbone-error.ts';
import { HboneServerConnection } from './hbone-server-connection.ts';
import type { HboneServerHandler } from './hbone-server-connection.ts';
import { defaultHboneSettings } from './hbone-settings.ts';
import type { HboneSettings } from './hbone-settings.ts';

export interface HboneServerOptions {
  readonly loop: EventLoop;
  readonly settings?: Partial<HboneSettings>;
}

/** The inbound side of HBONE on one event loop: takes accepted sockets, knows its connections, drains them. */
export class HboneServer {
  readonly #loop: EventLoop;
  readonly #settings: HboneSettings;
  readonly #connections: Set<HboneServerConnection> = new Set();
  #isDraining = false;

  constructor(options: HboneServerOptions) {
    this.#loop = options.loop;
    this.#settings = { ...defaultHboneSettings, ...options.settings };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get connections(): Iterable<HboneServerConnection> {
    return this.#connections;
  }

  /** Takes over an accepted socket. Throws NetError when no TLS session can be made; the socket is then still the caller's. */
  accept(fd: Fd, tls: TlsContext, handler: HboneServerHandler): HboneServerConnection {
    return this.#add(fd, tls, handler);
  }

  /** As `accept` without TLS: for conformance tests of the HTTP/2 half only. */
  acceptPlaintextForTests(fd: Fd, handler: HboneServerHandler): HboneServerConnection {
    return this.#add(fd, undefined, handler);
  }

  /** Graceful: GOAWAY on each connection; streams go on. Connections accepted later are drained at once. */
  drain(): void {
    this.#isDraining = true;
    for (const connection of this.#connections) connection.drain();
  }

  /** Ends everything now; running bridges end with `reason`. */
  close(reason?: HboneError): void {
    this.#isDraining = true;
    for (const connection of this.#connections) connection.close(reason);
  }

  #add(fd: Fd, tls: TlsContext | undefined, handler: HboneServerHandler): HboneServerConnection {
    const onGone = (gone: HboneServerConnection): void => void this.#connections.delete(gone);
    const connection = new HboneServerConnection(this.#loop, this.#settings, fd, tls, handler, onGone);
    this.#connections.add(connection);
    if (this.#isDraining) connection.drain();
    return connection;
  }
}

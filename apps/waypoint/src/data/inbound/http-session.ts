import {
  Http1ServerConnection,
  Http2ServerConnection,
  type ServerConnection,
  type ServerConnectionHandler,
  type ServerConnectionSettings,
  type ServerExchange,
} from '@ambit/exchange';
import type { ByteChannel, EventLoop } from '@ambit/net';

import type { LiveConnection, LiveConnections } from '../live-connection.ts';

/**
 * A client's HTTP connection among those that are drained. An idle HTTP/1.1 connection is not closed for it: its next request
 * may be under way already, and is answered with `connection: close`.
 */
export class HttpSession implements LiveConnection, ServerConnectionHandler {
  readonly #live: LiveConnections;
  readonly #handler: ServerConnectionHandler;
  readonly #connection: ServerConnection;
  #isLeaving = false;

  constructor(
    channel: ByteChannel,
    isHttp2: boolean,
    handler: ServerConnectionHandler,
    live: LiveConnections,
    loop: EventLoop,
    settings: ServerConnectionSettings,
  ) {
    this.#live = live;
    this.#handler = handler;
    this.#connection = isHttp2
      ? new Http2ServerConnection(channel, this, loop, settings)
      : new Http1ServerConnection(channel, this, loop, settings);
    live.add(this);
  }

  get activeExchanges(): number {
    return this.#connection.activeExchanges;
  }

  drain(): void {
    if (this.#connection.activeExchanges > 0 || this.#connection.protocol === 'HTTP/2') this.#connection.drain();
  }

  leave(): void {
    this.#isLeaving = true;
    if (this.#connection.protocol === 'HTTP/2') this.#connection.drain();
  }

  close(): void {
    this.#connection.close();
  }

  onRequest(exchange: ServerExchange): void {
    if (this.#live.isDraining || this.#isLeaving) {
      exchange.closeAfter();
      if (this.#connection.protocol === 'HTTP/2') this.#connection.drain();
    }
    this.#handler.onRequest(exchange);
  }

  onClosed(...ending: Parameters<ServerConnectionHandler['onClosed']>): void {
    this.#live.remove(this);
    this.#handler.onClosed(...ending);
  }
}

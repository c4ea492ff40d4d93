import { type HeaderList, requestProblem } from '@ambit/http';
import type { ByteChannel, EventLoop } from '@ambit/net';

import type { ServerConnectionSettings } from '../connection-settings.ts';
import type { ExchangeError } from '../exchange-error.ts';
import type { ServerConnection, ServerConnectionHandler } from '../server-exchange.ts';
import { Http2Connection } from './http2-connection.ts';
import type { Http2Side } from './http2-side.ts';
import { Http2ServerExchange } from './http2-server-exchange.ts';
import { isMalformed, requestOf } from './received-list.ts';

/** Takes HTTP/2 requests from a channel, which it owns; the client's preface is still to come. */
export class Http2ServerConnection implements ServerConnection, Http2Side {
  readonly protocol = 'HTTP/2';
  readonly #handler: ServerConnectionHandler;
  readonly #connection: Http2Connection;

  constructor(
    channel: ByteChannel,
    handler: ServerConnectionHandler,
    loop: EventLoop,
    settings: ServerConnectionSettings,
  ) {
    this.#handler = handler;
    const timeouts = { firstMs: settings.headTimeoutMs, idleMs: settings.idleTimeoutMs };
    this.#connection = new Http2Connection(channel, this, loop, 'server', settings.http2, timeouts);
  }

  get activeExchanges(): number {
    return this.#connection.streams.size;
  }

  drain(): void {
    this.#connection.drain();
  }

  close(): void {
    this.#connection.close();
  }

  // --- of the connection

  acceptStream(streamId: number, list: HeaderList, isTooLong: boolean, isEnd: boolean): string | undefined {
    const connection = this.#connection;
    if (isTooLong) {
      this.#refuse(streamId, isEnd);
      return undefined;
    }
    const problem = requestProblem(list, connection.settings.acceptsExtendedConnect);
    if (problem !== undefined) return problem;
    const head = requestOf(list, isEnd);
    if (isMalformed(head)) return head.problem;
    const stream = connection.addStream(streamId);
    if (head.hasBody) stream.expectedBytes = head.contentLength ?? -1;
    const exchange = new Http2ServerExchange(connection, stream, head);
    stream.user = exchange;
    if (isEnd) connection.advance(stream, 'receivedEnd');
    this.#handler.onRequest(exchange);
    if (isEnd) connection.tellEnd(stream, undefined);
    return undefined;
  }

  onChange(): void {
    // A server waits for requests whatever changes.
  }

  onClosed(error: ExchangeError | undefined): void {
    this.#handler.onClosed(error);
  }

  /** A header list over the limit, which was not kept. */
  #refuse(streamId: number, isEnd: boolean): void {
    const connection = this.#connection;
    const stream = connection.addStream(streamId);
    if (isEnd) connection.advance(stream, 'receivedEnd');
    stream.isAnswered = true;
    stream.dropsRest = true;
    connection.frames.beginBlock();
    connection.frames.field(':status', '431');
    connection.frames.sendBlock(streamId, true);
    connection.sentHead(stream, true);
  }
}

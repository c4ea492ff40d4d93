import type { ExchangeError } from './exchange-error.ts';
import type { FieldList } from './field-list.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';

/**
 * One request and its response on a server connection. The handler of the connection gets it with the head, sets `user`
 * before it returns, and answers once. Ends with the complete answer: what is missing of the request then is dropped, and the
 * user is not called again. An exchange that became a byte stream ends when both directions have. Otherwise with `onAborted`.
 */
export interface ServerExchange {
  readonly head: RequestHead;
  /** Who gets the body. Set during `onRequest`; bytes that come before are kept by the connection (bounded). */
  user: ServerExchangeUser;
  /** 100, 102 or 103, before `respond`. */
  respondInformational(head: ResponseHead): void;
  /**
   * Sends the head of the answer, once. With `isEnd` nothing follows. Status 101 (HTTP/1.1 only) or a 200 to an extended
   * CONNECT turns the exchange into a byte stream in both directions: `onBody` and `write` then carry raw bytes.
   */
  respond(head: ResponseHead, isEnd: boolean): void;
  /** A part of the answer's body, all of it; false above the high-water mark, then `onWritable` follows. */
  write(buffer: Uint8Array, offset: number, length: number): boolean;
  /** The answer is complete. Trailers go out when the version and the client take them. */
  end(trailers?: FieldList): void;
  /** Gives the exchange up: RST_STREAM, or the connection ends. No further calls of the user. */
  abort(http2Code?: number): void;
  /** No `onBody` until `resume`. */
  pause(): void;
  resume(): void;
  /** HTTP/1.1: the connection ends after this answer; HTTP/2: no effect. */
  closeAfter(): void;
}

/** Who handles the request of an exchange. */
export interface ServerExchangeUser {
  /** A piece of the body (or of an upgraded stream), valid during the call; all of it counts as taken. */
  onBody(buffer: Uint8Array, offset: number, length: number): void;
  /**
   * The request is complete. Follows at once for a request without a body; for one that asks for an upgrade, or CONNECT, with
   * the end of the client's direction.
   */
  onEnd(trailers: FieldList | undefined): void;
  /** The answer's body may go on. */
  onWritable(): void;
  /** The client is gone, or breached HTTP in the body; the last call. */
  onAborted(error: ExchangeError): void;
}

/** Who is told of requests on a server connection. */
export interface ServerConnectionHandler {
  onRequest(exchange: ServerExchange): void;
  /** The connection has ended; its exchanges have been told. */
  onClosed(error: ExchangeError | undefined): void;
}

/** A connection that takes requests. */
export interface ServerConnection {
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** Exchanges that have begun and not ended. */
  readonly activeExchanges: number;
  /** Graceful: `connection: close` with the next answer, or GOAWAY; running exchanges end as they like, then it closes. */
  drain(): void;
  /** Ends it now; exchanges are aborted. */
  close(): void;
}

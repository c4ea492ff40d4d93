import type { ExchangeError } from './exchange-error.ts';
import type { FieldList } from './field-list.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';

/**
 * One request and its response on a client connection. Ends with the complete response: what is missing of the request then
 * goes nowhere. An exchange that became a byte stream ends when both directions have. Otherwise with `onAborted`.
 */
export interface ClientExchange {
  /** A part of the request's body, all of it; false above the high-water mark, then `onWritable` follows. */
  write(buffer: Uint8Array, offset: number, length: number): boolean;
  end(trailers?: FieldList): void;
  /** Gives it up: RST_STREAM (default CANCEL), or the connection ends. No further calls of the user. */
  abort(http2Code?: number): void;
  /** No `onBody` until `resume`. */
  pause(): void;
  resume(): void;
}

/** Who waits for the response. */
export interface ClientExchangeUser {
  onInformational(head: ResponseHead): void;
  /** The final head; with `isEnd` no body follows, and `onEnd` is still called. Owned by the user. */
  onResponse(head: ResponseHead, isEnd: boolean): void;
  /** A piece of the body, or of an upgraded stream; valid during the call; all of it counts as taken. */
  onBody(buffer: Uint8Array, offset: number, length: number): void;
  onEnd(trailers: FieldList | undefined): void;
  onWritable(): void;
  /** No complete response will come. `error.kind` says whether it may be repeated. The last call. */
  onAborted(error: ExchangeError): void;
}

/** A connection that makes requests. */
export interface ClientConnection {
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** How many more exchanges may begin now: 0 or 1 with HTTP/1.1. 0 for good after GOAWAY or a loss (`isDone`). */
  readonly capacity: number;
  readonly activeExchanges: number;
  /** No further exchange will ever begin here. */
  readonly isDone: boolean;
  /**
   * Begins an exchange. The head is written at once and not kept. With `isEnd` there is no body. Only with capacity.
   * `head.upgrade` asks for an upgrade (HTTP/1.1) or makes an extended CONNECT (HTTP/2, where the peer allows it).
   */
  request(head: RequestHead, isEnd: boolean, user: ClientExchangeUser): ClientExchange;
  /** No new exchange; closes when the running ones have ended. */
  drain(): void;
  close(): void;
}

/** Who owns a client connection: a pool. */
export interface ClientConnectionOwner {
  /** `capacity` has changed: an exchange ended, SETTINGS came, GOAWAY came. */
  onCapacity(): void;
  /** It has ended; its exchanges have been told. */
  onClosed(error: ExchangeError | undefined): void;
}

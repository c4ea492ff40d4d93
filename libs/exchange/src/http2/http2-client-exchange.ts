import { ErrorCode, type HeaderList, responseProblem } from '@ambit/http';

import type { ClientExchange, ClientExchangeUser } from '../client-exchange.ts';
import type { ExchangeError } from '../exchange-error.ts';
import type { FieldList } from '../field-list.ts';
import type { RequestHead } from '../message-head.ts';
import type { Http2Connection } from './http2-connection.ts';
import type { Http2Stream, Http2StreamUser } from './http2-stream.ts';
import { isMalformed, responseOf } from './received-list.ts';
import { SentLength } from './sent-length.ts';

/** One request on an HTTP/2 connection to a server. */
export class Http2ClientExchange implements ClientExchange, Http2StreamUser {
  readonly #connection: Http2Connection;
  readonly #stream: Http2Stream;
  readonly #method: string;
  readonly #asksSwitch: boolean;
  readonly #length = new SentLength();
  #user: ClientExchangeUser | undefined;
  #isRaw = false;

  /** The head has been sent. */
  constructor(
    connection: Http2Connection,
    stream: Http2Stream,
    head: RequestHead,
    isEnd: boolean,
    user: ClientExchangeUser,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#method = head.method;
    this.#asksSwitch = head.upgrade !== undefined || head.method === 'CONNECT';
    this.#user = user;
    if (!isEnd && !this.#asksSwitch) this.#length.announce(head.contentLength);
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.#user === undefined) return true;
    if (!this.#length.take(length)) {
      this.#giveUp(ErrorCode.internalError);
      return true;
    }
    return this.#connection.write(this.#stream, buffer, offset, length);
  }

  end(trailers?: FieldList): void {
    if (this.#user === undefined) return;
    if (!this.#length.isComplete) return this.#giveUp(ErrorCode.internalError);
    this.#connection.end(this.#stream, trailers);
  }

  abort(http2Code: number = ErrorCode.cancel): void {
    if (this.#user !== undefined) this.#giveUp(http2Code);
  }

  pause(): void {
    if (this.#user !== undefined) this.#connection.pause(this.#stream);
  }

  resume(): void {
    this.#connection.resume(this.#stream);
  }

  // --- of the stream

  onHead(list: HeaderList, isEnd: boolean): boolean {
    if (responseProblem(list) !== undefined) return false;
    const head = responseOf(list);
    if (isMalformed(head)) return false;
    const { status, contentLength } = head;
    if (status === 101) return false;
    if (status < 200) {
      this.#user?.onInformational(head);
      return true;
    }
    this.#isRaw = this.#asksSwitch && status < 300;
    const hasNoBody = this.#method === 'HEAD' || status === 204 || status === 304;
    if (hasNoBody) this.#stream.expectedBytes = 0;
    else if (!this.#isRaw) this.#stream.expectedBytes = contentLength ?? -1;
    if (isEnd && this.#stream.expectedBytes > 0) return false;
    this.#user?.onResponse(head, isEnd);
    return true;
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#user?.onBody(buffer, offset, length);
  }

  onEnd(trailers: FieldList | undefined): void {
    const user = this.#user;
    if (!this.#isRaw) this.#user = undefined;
    user?.onEnd(trailers);
    // Answered before the request was complete: its rest is of no use.
    if (!this.#isRaw && this.#stream.canSend) this.#connection.reset(this.#stream, ErrorCode.cancel);
  }

  onWritable(): void {
    this.#user?.onWritable();
  }

  onFailed(error: ExchangeError): void {
    const user = this.#user;
    this.#user = undefined;
    user?.onAborted(error);
  }

  #giveUp(code: number): void {
    this.#user = undefined;
    this.#connection.reset(this.#stream, code);
  }
}

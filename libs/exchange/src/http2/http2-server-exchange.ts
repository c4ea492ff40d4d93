import { ErrorCode } from '@ambit/http';

import type { ExchangeError } from '../exchange-error.ts';
import type { FieldList } from '../field-list.ts';
import type { RequestHead, ResponseHead } from '../message-head.ts';
import type { ServerExchange, ServerExchangeUser } from '../server-exchange.ts';
import type { Http2Connection } from './http2-connection.ts';
import type { Http2Stream, Http2StreamUser } from './http2-stream.ts';
import { SentLength } from './sent-length.ts';

const nobody: ServerExchangeUser = { onBody() {}, onEnd() {}, onWritable() {}, onAborted() {} };

/** One request on an HTTP/2 connection. */
export class Http2ServerExchange implements ServerExchange, Http2StreamUser {
  readonly head: RequestHead;
  user: ServerExchangeUser = nobody;
  readonly #connection: Http2Connection;
  readonly #stream: Http2Stream;
  readonly #method: string;
  readonly #asksSwitch: boolean;
  readonly #length = new SentLength();
  #hasNoBody = false;
  #isRaw = false;
  #isOver = false;

  constructor(connection: Http2Connection, stream: Http2Stream, head: RequestHead) {
    this.#connection = connection;
    this.#stream = stream;
    this.head = head;
    this.#method = head.method;
    this.#asksSwitch = head.upgrade !== undefined || head.method === 'CONNECT';
  }

  respondInformational(head: ResponseHead): void {
    if (!this.#mayAnswer) return;
    this.#sendHead(head.status, head, false);
    this.#connection.schedule();
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    if (!this.#mayAnswer) return;
    const stream = this.#stream;
    // A 101 of HTTP/1.1 says of an upgrade what 200 says of an extended CONNECT. Spec: RFC 8441 section 5.
    const status = head.status === 101 && this.#asksSwitch ? 200 : head.status;
    if (status < 200) return this.abort(ErrorCode.internalError);
    stream.isAnswered = true;
    this.#isRaw = this.#asksSwitch && status < 300;
    this.#hasNoBody = this.#method === 'HEAD' || status === 204 || status === 304;
    if (!this.#isRaw && !isEnd && !this.#hasNoBody) this.#length.announce(head.contentLength);
    this.#sendHead(status, head, isEnd);
    if (isEnd) this.#finish();
    this.#connection.sentHead(stream, isEnd);
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.#isOver || !this.#stream.isAnswered || this.#hasNoBody) return true;
    if (!this.#length.take(length)) {
      this.abort(ErrorCode.internalError);
      return true;
    }
    return this.#connection.write(this.#stream, buffer, offset, length);
  }

  end(trailers?: FieldList): void {
    if (this.#isOver || !this.#stream.isAnswered) return;
    if (!this.#length.isComplete) return this.abort(ErrorCode.internalError);
    if (!this.#isRaw) this.#finish();
    this.#connection.end(this.#stream, trailers);
  }

  abort(http2Code: number = ErrorCode.cancel): void {
    this.user = nobody;
    this.#isOver = true;
    this.#connection.reset(this.#stream, http2Code);
  }

  pause(): void {
    if (!this.#isOver) this.#connection.pause(this.#stream);
  }

  resume(): void {
    this.#connection.resume(this.#stream);
  }

  closeAfter(): void {
    // Of HTTP/1.1.
  }

  // --- of the stream

  onHead(): boolean {
    return false;
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.user.onBody(buffer, offset, length);
  }

  onEnd(trailers: FieldList | undefined): void {
    this.user.onEnd(trailers);
  }

  onWritable(): void {
    this.user.onWritable();
  }

  onFailed(error: ExchangeError): void {
    const { user } = this;
    this.user = nobody;
    this.#isOver = true;
    user.onAborted(error);
  }

  get #mayAnswer(): boolean {
    return !this.#stream.isAnswered && this.#stream.canSend && this.#connection.isOpen;
  }

  #sendHead(status: number, head: ResponseHead, isEnd: boolean): void {
    const { frames } = this.#connection;
    frames.beginBlock();
    frames.field(':status', String(status));
    frames.fields(head.fields);
    const { contentLength } = head;
    const hasLength = contentLength !== undefined && status >= 200 && status !== 204 && !this.#isRaw;
    if (hasLength && (!isEnd || contentLength === 0 || this.#hasNoBody)) {
      frames.field('content-length', String(contentLength));
    }
    frames.sendBlock(this.#stream.id, isEnd);
  }

  /** The answer is complete: the user is not called again, and what is missing of the request is not wanted. */
  #finish(): void {
    this.user = nobody;
    this.#isOver = true;
    this.#stream.dropsRest = true;
    this.#connection.resume(this.#stream);
  }
}

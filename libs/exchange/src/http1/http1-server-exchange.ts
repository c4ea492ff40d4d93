import type { ByteChannel } from '@ambit/net';

import type { ExchangeError } from '../exchange-error.ts';
import type { FieldList } from '../field-list.ts';
import type { RequestHead, ResponseHead } from '../message-head.ts';
import type { ServerExchange, ServerExchangeUser } from '../server-exchange.ts';
import { BodyWriter } from './body-writer.ts';
import type { ReceivedRequest } from './received-head.ts';
import { type AnsweredRequest, answerFraming, sendInformational, sendResponseHead } from './response-writer.ts';

/** What an exchange asks of its connection. */
export interface Http1ServerCarrier {
  readonly channel: ByteChannel;
  /** The connection ends after this exchange. */
  readonly isClosing: boolean;
  closeAfterExchange(): void;
  /** What is missing of the request is not worth to be waited for. */
  mayDropRest(exchange: Http1ServerExchange): boolean;
  onAnswered(exchange: Http1ServerExchange): void;
  onSwitched(): void;
  abortExchange(exchange: Http1ServerExchange): void;
  pause(): void;
  resume(): void;
}

/** The user of an exchange that has none yet, or not any more. */
const nobody: ServerExchangeUser = { onBody() {}, onEnd() {}, onWritable() {}, onAborted() {} };

/** One request on an HTTP/1.1 connection. */
export class Http1ServerExchange implements ServerExchange {
  readonly head: RequestHead;
  user: ServerExchangeUser = nobody;
  /** The request has arrived as a whole; of a byte stream: the client sends nothing more. */
  isRequestDone = false;
  /** The end of the request has come and is told when the user reads again. */
  isEndPending = false;
  pendingTrailers: FieldList | undefined;
  isAnswered = false;
  isResponseDone = false;
  isRaw = false;
  hasContinued = false;
  readonly #carrier: Http1ServerCarrier;
  readonly #body: BodyWriter;
  readonly #takesTrailers: boolean;
  /** The head may be edited by its user; how the answer is framed must not follow. */
  readonly #request: AnsweredRequest;

  constructor(carrier: Http1ServerCarrier, request: ReceivedRequest) {
    const { head } = request;
    this.#carrier = carrier;
    this.head = head;
    this.#takesTrailers = request.takesTrailers;
    this.#request = { method: head.method, isHttp10: head.protocol === 'HTTP/1.0', upgrade: head.upgrade };
    this.#body = new BodyWriter(carrier.channel);
  }

  /** May become a byte stream: nothing follows the head until it is answered, and the end is that of the client's direction. */
  get isHeadOnly(): boolean {
    return this.#request.upgrade !== undefined || this.#request.method === 'CONNECT';
  }

  get isOver(): boolean {
    return this.isResponseDone && (!this.isRaw || this.isRequestDone);
  }

  /** The client may send its next request where its body would stand: nothing after a final answer can be told apart. */
  get #awaitsContinue(): boolean {
    return this.head.expectsContinue && !this.hasContinued && !this.isRequestDone;
  }

  respondInformational(head: ResponseHead): void {
    if (this.isAnswered || this.#request.isHttp10) return;
    if (head.status === 100) this.hasContinued = true;
    sendInformational(this.#carrier.channel, head);
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    const carrier = this.#carrier;
    const framing = answerFraming(this.#request, head, isEnd);
    if (
      framing === 'untilClose' ||
      this.#awaitsContinue ||
      (isEnd && !this.isRequestDone && !carrier.mayDropRest(this))
    ) {
      carrier.closeAfterExchange();
    }
    this.#body.begin(framing, head.contentLength ?? 0);
    sendResponseHead(carrier.channel, this.#request, head, framing, carrier.isClosing && framing !== 'raw');
    if (framing === 'raw') {
      this.isRaw = true;
      carrier.closeAfterExchange();
      carrier.onSwitched();
    }
    if (isEnd) this.end();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (!this.isAnswered || this.isResponseDone) return true;
    const takesMore = this.#body.write(buffer, offset, length);
    if (this.#body.isBroken) this.#carrier.abortExchange(this);
    return takesMore;
  }

  end(trailers?: FieldList): void {
    if (!this.isAnswered || this.isResponseDone) return;
    this.isResponseDone = true;
    this.#body.end(this.#takesTrailers ? trailers : undefined);
    if (this.#body.isBroken) this.#carrier.abortExchange(this);
    else this.#carrier.onAnswered(this);
  }

  abort(): void {
    this.#carrier.abortExchange(this);
  }

  pause(): void {
    if (!this.isOver) this.#carrier.pause();
  }

  resume(): void {
    if (!this.isOver) this.#carrier.resume();
  }

  closeAfter(): void {
    this.#carrier.closeAfterExchange();
  }

  // --- called by the connection

  /** Tells the end of the request, now or when the user reads again. */
  endRequest(trailers: FieldList | undefined, isPaused: boolean): void {
    this.isRequestDone = true;
    if (this.isResponseDone && !this.isRaw) return;
    if (isPaused) {
      this.isEndPending = true;
      this.pendingTrailers = trailers;
    } else {
      this.user.onEnd(trailers);
    }
  }

  tellPendingEnd(): void {
    this.isEndPending = false;
    if (!this.isResponseDone || this.isRaw) this.user.onEnd(this.pendingTrailers);
  }

  fail(error: ExchangeError): void {
    const { user } = this;
    this.user = nobody;
    this.isAnswered = true;
    this.isResponseDone = true;
    user.onAborted(error);
  }
}

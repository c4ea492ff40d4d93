import { ByteCollector } from '@ambit/http';
import type { ByteChannel } from '@ambit/net';

import type { ClientExchange, ClientExchangeUser } from '../client-exchange.ts';
import type { ExchangeError } from '../exchange-error.ts';
import type { FieldList } from '../field-list.ts';
import type { RequestHead } from '../message-head.ts';
import { BodyWriter } from './body-writer.ts';
import { requestBodyFraming, sendRequestHead } from './request-writer.ts';

/** What an exchange asks of its connection. */
export interface Http1ClientCarrier {
  readonly channel: ByteChannel;
  onSent(exchange: Http1ClientExchange): void;
  abortExchange(exchange: Http1ClientExchange): void;
  pause(): void;
  resume(): void;
}

const nobody: ClientExchangeUser = {
  onInformational() {},
  onResponse() {},
  onBody() {},
  onEnd() {},
  onWritable() {},
  onAborted() {},
};

/** Requests that may be repeated without asking. Spec: RFC 9110 section 9.2.2. */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** One request on an HTTP/1.1 connection to a server. */
export class Http1ClientExchange implements ClientExchange {
  readonly method: string;
  readonly asksSwitch: boolean;
  readonly isIdempotent: boolean;
  user: ClientExchangeUser;
  isRequestDone: boolean;
  /** A final head came. */
  isAnswered = false;
  /** Anything at all came. */
  hasAnswerBytes = false;
  isResponseDone = false;
  isRaw = false;
  isOver = false;
  /** A turn of the loop has ended since the request was written: it may have left. */
  mayHaveLeft = false;
  isEndPending = false;
  pendingTrailers: FieldList | undefined;
  informationalCount = 0;
  readonly #carrier: Http1ClientCarrier;
  readonly #body: BodyWriter;
  /** Bytes for the byte stream that the server has not agreed to yet. */
  #early: ByteCollector | undefined;
  #isEarlyEnd = false;

  /** Sends the head. */
  constructor(carrier: Http1ClientCarrier, head: RequestHead, isEnd: boolean, user: ClientExchangeUser) {
    this.#carrier = carrier;
    this.user = user;
    this.method = head.method;
    const framing = requestBodyFraming(head, isEnd);
    this.asksSwitch = framing === 'raw';
    this.isIdempotent = idempotentMethods.has(head.method);
    this.isRequestDone = framing === 'none';
    this.#body = new BodyWriter(carrier.channel);
    this.#body.begin(framing, head.contentLength ?? 0);
    sendRequestHead(carrier.channel, head, framing);
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.isOver || this.isRequestDone) return true;
    if (this.asksSwitch && !this.isRaw) {
      this.#early ??= new ByteCollector();
      this.#early.append(buffer, offset, length);
      return false;
    }
    // Much at once leaves at once.
    this.mayHaveLeft = true;
    const takesMore = this.#body.write(buffer, offset, length);
    if (this.#body.isBroken) this.#carrier.abortExchange(this);
    return takesMore;
  }

  end(trailers?: FieldList): void {
    if (this.isOver || this.isRequestDone) return;
    if (this.asksSwitch && !this.isRaw) {
      this.#isEarlyEnd = true;
      return;
    }
    this.isRequestDone = true;
    this.#body.end(trailers);
    if (this.#body.isBroken) this.#carrier.abortExchange(this);
    else this.#carrier.onSent(this);
  }

  abort(): void {
    if (!this.isOver) this.#carrier.abortExchange(this);
  }

  pause(): void {
    if (!this.isOver) this.#carrier.pause();
  }

  resume(): void {
    if (!this.isOver) this.#carrier.resume();
  }

  // --- called by the connection

  /** The server agreed: what waited leaves. True when the user waits to go on. */
  becomeRaw(): boolean {
    this.isRaw = true;
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) this.#body.write(early.bytes, 0, early.length);
    if (this.#isEarlyEnd) this.end();
    return early !== undefined;
  }

  endResponse(trailers: FieldList | undefined, isPaused: boolean): void {
    this.isResponseDone = true;
    if (isPaused) {
      this.isEndPending = true;
      this.pendingTrailers = trailers;
    } else {
      this.user.onEnd(trailers);
    }
  }

  tellPendingEnd(): void {
    this.isEndPending = false;
    this.user.onEnd(this.pendingTrailers);
  }

  fail(error: ExchangeError): void {
    const { user } = this;
    this.finish();
    user.onAborted(error);
  }

  /** No further calls of the user. */
  finish(): void {
    this.isOver = true;
    this.user = nobody;
    this.#early = undefined;
  }
}

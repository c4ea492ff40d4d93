import { Http1Error, type Http1Head, responseFraming } from '@ambit/http';
import type { ByteChannel, EventLoop, NetError } from '@ambit/net';

import type {
  ClientConnection,
  ClientConnectionOwner,
  ClientExchange,
  ClientExchangeUser,
} from '../client-exchange.ts';
import type { ClientConnectionSettings } from '../connection-settings.ts';
import { ExchangeError } from '../exchange-error.ts';
import type { RequestHead } from '../message-head.ts';
import { type Http1ClientCarrier, Http1ClientExchange } from './http1-client-exchange.ts';
import { Http1Connection } from './http1-connection.ts';
import { receivedResponse, receivedTrailers } from './received-head.ts';

/** Informational answers to one request; more are a flood. */
const maxInformational = 64;

/**
 * Makes HTTP/1.1 requests on a channel, one after the other. The connection is used again only when both messages ended as
 * announced and not a byte followed: whatever else comes could be taken for the answer to the next request. Owns the channel.
 */
export class Http1ClientConnection
  extends Http1Connection<Http1ClientExchange>
  implements ClientConnection, Http1ClientCarrier
{
  readonly #owner: ClientConnectionOwner;
  readonly #settings: ClientConnectionSettings;
  /** Begun after the end; told at the end of the turn. */
  #refused: Http1ClientExchange | undefined;
  #completed = 0;
  /** No exchange after this one. */
  #isLast = false;
  #hasEnded = false;

  constructor(channel: ByteChannel, owner: ClientConnectionOwner, loop: EventLoop, settings: ClientConnectionSettings) {
    super(channel, 'response', loop, settings.http1);
    this.#owner = owner;
    this.#settings = settings;
    this.end.setTimeout(settings.idleTimeoutMs);
    channel.attach(this);
  }

  get capacity(): number {
    return this.exchange === undefined && !this.isDone ? 1 : 0;
  }

  get isDone(): boolean {
    return !this.end.isOpen || this.#isLast;
  }

  request(head: RequestHead, isEnd: boolean, user: ClientExchangeUser): ClientExchange {
    if (this.exchange !== undefined) throw new RangeError('an exchange is running on this connection');
    const exchange = new Http1ClientExchange(this, head, isEnd, user);
    if (this.isDone) {
      this.#refused = exchange;
    } else {
      this.end.clearTimeout();
      this.exchange = exchange;
      this.decoder.expectResponse(head.method);
    }
    this.schedule();
    return exchange;
  }

  drain(): void {
    if (this.isDone) return;
    this.#isLast = true;
    if (this.exchange === undefined) this.close();
  }

  close(): void {
    // Without an exchange nothing is cut off.
    if (this.exchange === undefined && this.end.isOpen) this.end.endChannel();
    this.loseSoon('connection closed by this side');
  }

  // --- channel

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.end.isOpen) return;
    if (this.exchange !== undefined) this.exchange.hasAnswerBytes = true;
    try {
      this.input.receive(buffer, offset, length);
    } catch (error) {
      return this.#onBreach(error);
    }
    this.#settle();
  }

  onEnd(): void {
    this.#hasEnded = true;
    if (this.end.onPeerEnd()) return;
    this.#isLast = true;
    this.#checkEnd();
  }

  onWritable(): void {
    const { exchange } = this;
    if (exchange !== undefined && !exchange.isRequestDone && this.end.isOpen) exchange.user.onWritable();
  }

  onLost(error: NetError): void {
    if (this.end.onChannelLost()) return;
    // Without an exchange nothing is lost.
    this.end.lose(this.exchange === undefined ? undefined : this.#lossOf(this.exchange, error.message));
  }

  // --- input

  get canRead(): boolean {
    return this.exchange?.isResponseDone !== true;
  }

  takeInformational(head: Http1Head): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    exchange.informationalCount += 1;
    if (exchange.informationalCount > maxInformational)
      throw new Http1Error('framing', 'informational answers without end');
    exchange.user.onInformational(receivedResponse(head));
  }

  beginMessage(head: Http1Head): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    const isConnect = exchange.method === 'CONNECT';
    if (head.status === 101 && (isConnect || !exchange.asksSwitch)) {
      throw new Http1Error('status_line', 'the server switched protocols without being asked');
    }
    const framing = responseFraming(head, exchange.method).kind;
    if (!head.isPersistent || framing === 'untilClose') this.#isLast = true;
    exchange.isAnswered = true;
    if (head.status === 101 || (isConnect && head.status < 300)) {
      this.#isLast = true;
      const waits = exchange.becomeRaw();
      exchange.user.onResponse(receivedResponse(head), false);
      if (waits && !exchange.isRequestDone) exchange.user.onWritable();
      return;
    }
    if (exchange.asksSwitch) exchange.isRequestDone = true;
    exchange.user.onResponse(receivedResponse(head), framing === 'none');
  }

  takeBody(buffer: Uint8Array, offset: number, length: number): void {
    this.exchange?.user.onBody(buffer, offset, length);
  }

  endMessage(): void {
    const { exchange } = this;
    if (exchange === undefined || exchange.isRaw) return;
    exchange.endResponse(receivedTrailers(this.decoder.trailers), this.input.isPaused);
  }

  // --- exchange

  onSent(exchange: Http1ClientExchange): void {
    if (exchange.isRaw) this.channel.end();
    this.schedule();
  }

  abortExchange(exchange: Http1ClientExchange): void {
    if (exchange === this.#refused) this.#refused = undefined;
    if (exchange !== this.exchange) return;
    this.exchange = undefined;
    exchange.finish();
    this.loseSoon('exchange given up');
  }

  // --- loop

  onTurnEnd(): void {
    this.isScheduled = false;
    const refused = this.#refused;
    this.#refused = undefined;
    refused?.fail(new ExchangeError('refused', 'the connection had ended before the request'));
    if (this.end.tellUntold() || !this.end.isOpen) return;
    if (this.exchange !== undefined) this.exchange.mayHaveLeft = true;
    try {
      this.input.proceed();
    } catch (error) {
      return this.#onBreach(error);
    }
    if (!this.input.isPaused && !this.input.hasHeld && this.exchange?.isEndPending === true) {
      this.exchange.tellPendingEnd();
    }
    this.#settle();
    this.#checkEnd();
  }

  // --- end

  onTimeout(): void {
    this.end.lose(undefined);
  }

  onEnded(error: ExchangeError | undefined): void {
    this.#owner.onClosed(error);
  }

  /** The server's end, after everything before it has been read. */
  #checkEnd(): void {
    if (!this.#hasEnded || !this.end.isOpen || this.input.hasHeld || this.input.isPaused) return;
    const { exchange } = this;
    if (exchange === undefined) return this.end.lose(undefined);
    if (exchange.isRaw) {
      if (!exchange.isResponseDone) exchange.endResponse(undefined, false);
      return this.#settle();
    }
    try {
      this.decoder.end();
    } catch {
      // Cut off; told as a loss.
    }
    if (exchange.isResponseDone) this.#settle();
    else if (exchange === this.exchange) this.end.lose(this.#lossOf(exchange, 'the server closed the connection'));
  }

  /** Whether the exchange is over, and what becomes of the connection then. */
  #settle(): void {
    const { exchange } = this;
    if (exchange === undefined || !this.end.isOpen || !exchange.isResponseDone || exchange.isEndPending) return;
    if (exchange.isRaw && !exchange.isRequestDone) return;
    this.exchange = undefined;
    this.#completed += 1;
    exchange.finish();
    if (exchange.isRaw) {
      this.end.sayGoodbye(undefined);
      if (this.#hasEnded) this.end.onPeerEnd();
      return;
    }
    if (this.input.hasHeld) return this.end.lose(new ExchangeError('protocol', 'bytes after the end of a response'));
    if (this.#isLast || !exchange.isRequestDone) return this.end.lose(undefined);
    this.input.resume();
    this.end.setTimeout(this.#settings.idleTimeoutMs);
    this.#owner.onCapacity();
  }

  #lossOf(exchange: Http1ClientExchange, text: string): ExchangeError {
    const isIdleClose = this.#completed > 0 && exchange.isIdempotent;
    const isUnprocessed = !exchange.hasAnswerBytes && (isIdleClose || !exchange.mayHaveLeft);
    return new ExchangeError(isUnprocessed ? 'refused' : 'lost', text);
  }

  #onBreach(error: unknown): void {
    if (!(error instanceof Http1Error)) throw error;
    this.end.lose(new ExchangeError('protocol', error.message));
  }
}

import { Http1Decoder, Http1Error, type Http1Head, type Http1Sink } from '@ambit/http';
import type { ByteChannel, ByteChannelUser, EventLoop, NetError, TurnEndTask } from '@ambit/net';

import type { ServerConnectionSettings } from '../connection-settings.ts';
import { Deadline, type DeadlineUser } from '../deadline.ts';
import { ExchangeError } from '../exchange-error.ts';
import { Farewell } from '../farewell.ts';
import type { ServerConnection, ServerConnectionHandler } from '../server-exchange.ts';
import { Http1Input, type Http1InputOwner } from './http1-input.ts';
import { type Http1ServerCarrier, Http1ServerExchange } from './http1-server-exchange.ts';
import { receivedRequest, receivedTrailers } from './received-head.ts';
import { sendErrorAnswer } from './response-writer.ts';

/**
 * Takes HTTP/1.1 requests from a channel, one after the other: a pipelined one waits until its predecessor is answered. A
 * client that closes its side is gone, whatever it still waits for. Owns the channel.
 */
export class Http1ServerConnection
  implements ServerConnection, Http1ServerCarrier, Http1InputOwner, ByteChannelUser, TurnEndTask, DeadlineUser
{
  readonly protocol = 'HTTP/1.1';
  readonly channel: ByteChannel;
  readonly #handler: ServerConnectionHandler;
  readonly #loop: EventLoop;
  readonly #settings: ServerConnectionSettings;
  readonly #decoder: Http1Decoder;
  readonly #input: Http1Input;
  readonly #deadline: Deadline;
  #exchange: Http1ServerExchange | undefined;
  /** The last exchange is answered, but its request is still coming. */
  #isDropping = false;
  #droppedBytes = 0;
  #isInHead = false;
  #isClosing = false;
  #farewell: Farewell | undefined;
  #isClosed = false;
  #isScheduled = false;
  /** To be told at the end of the turn. */
  #ending: { readonly error: ExchangeError; readonly ownerError: ExchangeError | undefined } | undefined;

  constructor(
    channel: ByteChannel,
    handler: ServerConnectionHandler,
    loop: EventLoop,
    settings: ServerConnectionSettings,
  ) {
    this.channel = channel;
    this.#handler = handler;
    this.#loop = loop;
    this.#settings = settings;
    this.#decoder = new Http1Decoder('request', new RequestSink(this), settings.http1);
    this.#input = new Http1Input(this.#decoder, channel, this);
    this.#deadline = new Deadline(loop, this);
    this.#deadline.set(settings.headTimeoutMs);
    channel.attach(this);
  }

  get activeExchanges(): number {
    return this.#exchange === undefined ? 0 : 1;
  }

  drain(): void {
    if (!this.#isOpen) return;
    this.#isClosing = true;
    if (this.#isIdle) this.#sayGoodbye(undefined);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#endSoon(new ExchangeError('closed', 'connection closed by this side'), undefined);
  }

  // --- channel

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.#isOpen) return;
    try {
      this.#input.receive(buffer, offset, length);
    } catch (error) {
      return this.#onBreach(error);
    }
    this.#afterReading();
  }

  onEnd(): void {
    if (this.#isClosed) return;
    if (this.#farewell !== undefined) {
      // Closing before the answer has left would cut it off.
      this.channel.flush();
      if (this.channel.queuedBytes === 0) this.#finish(this.#farewell.error);
      return;
    }
    const exchange = this.#exchange;
    if (exchange?.isRaw === true) {
      exchange.endRequest(undefined, this.#input.isPaused || this.#input.hasHeld);
      if (exchange.isOver && !exchange.isEndPending) this.#release();
      return;
    }
    this.#lose(this.#isIdle ? undefined : new ExchangeError('lost', 'the client closed the connection'));
  }

  onWritable(): void {
    const exchange = this.#exchange;
    if (exchange !== undefined && !exchange.isResponseDone) exchange.user.onWritable();
  }

  onLost(error: NetError): void {
    if (this.#isClosed) return;
    if (this.#farewell !== undefined) return this.#finish(this.#farewell.error);
    this.#lose(this.#isIdle ? undefined : new ExchangeError('lost', error.message));
  }

  // --- input

  get canRead(): boolean {
    const exchange = this.#exchange;
    return exchange === undefined || exchange.isRaw || !(exchange.isRequestDone || exchange.isHeadOnly);
  }

  get isRaw(): boolean {
    return this.#exchange?.isRaw === true;
  }

  onRawBytes(buffer: Uint8Array, offset: number, length: number): void {
    this.#exchange?.user.onBody(buffer, offset, length);
  }

  beginRequest(head: Http1Head): void {
    if (head.minorVersion === 0 && !this.#settings.acceptsHttp10) {
      throw new Http1Error('version', 'HTTP/1.0 is not accepted here', 426);
    }
    if (head.method === 'CONNECT' && (head.isChunked || (head.contentLength ?? 0) > 0)) {
      throw new Http1Error('framing', 'CONNECT with a body');
    }
    if (!head.isPersistent || head.minorVersion === 0) this.#isClosing = true;
    this.#isInHead = false;
    this.#deadline.clear();
    const exchange = new Http1ServerExchange(this, receivedRequest(head, this.#settings.scheme));
    this.#exchange = exchange;
    this.#handler.onRequest(exchange);
  }

  takeBody(buffer: Uint8Array, offset: number, length: number): void {
    const exchange = this.#exchange;
    if (exchange !== undefined) return exchange.user.onBody(buffer, offset, length);
    this.#droppedBytes += length;
    if (this.#droppedBytes > this.#settings.maxDroppedBodyBytes && this.#isOpen) this.#sayGoodbye(undefined);
  }

  endRequest(): void {
    const exchange = this.#exchange;
    if (exchange !== undefined) {
      if (!exchange.isHeadOnly) {
        exchange.endRequest(receivedTrailers(this.#decoder.trailers), this.#input.isPaused);
      }
    } else if (this.#isDropping) {
      this.#isDropping = false;
      if (this.#isOpen) this.#deadline.set(this.#settings.idleTimeoutMs);
    }
  }

  // --- exchange

  get isClosing(): boolean {
    return this.#isClosing;
  }

  closeAfterExchange(): void {
    this.#isClosing = true;
  }

  mayDropRest(exchange: Http1ServerExchange): boolean {
    if (exchange.isHeadOnly) return true;
    const { head } = exchange;
    if (head.expectsContinue && !exchange.hasContinued) return false;
    return head.contentLength === undefined || head.contentLength <= this.#settings.maxDroppedBodyBytes;
  }

  onAnswered(exchange: Http1ServerExchange): void {
    if (exchange !== this.#exchange || !this.#isOpen) return;
    if (exchange.isOver) this.#release();
    else this.channel.end();
  }

  onSwitched(): void {
    this.#schedule();
  }

  abortExchange(exchange: Http1ServerExchange): void {
    if (exchange !== this.#exchange || this.#isClosed) return;
    this.#exchange = undefined;
    this.#endSoon(new ExchangeError('closed', 'exchange given up'), undefined);
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
    this.#schedule();
  }

  // --- loop

  onTurnEnd(): void {
    this.#isScheduled = false;
    const ending = this.#ending;
    if (ending !== undefined) {
      this.#ending = undefined;
      this.#tellEnd(ending.error, ending.ownerError);
    } else if (this.#isOpen) {
      this.#proceed();
    }
  }

  onDeadline(): void {
    if (this.#farewell !== undefined) {
      if (this.#farewell.isOver) this.#finish(this.#farewell.error);
      else this.#deadline.set(Farewell.checkMs);
    } else if (this.#decoder.isInHead) {
      sendErrorAnswer(this.channel, 408);
      this.#sayGoodbye(new ExchangeError('timeout', 'the head of the request did not come in time', { status: 408 }));
    } else {
      this.#sayGoodbye(undefined);
    }
  }

  get #isOpen(): boolean {
    return !this.#isClosed && this.#farewell === undefined;
  }

  /** Between two requests. */
  get #isIdle(): boolean {
    return this.#exchange === undefined && this.#decoder.isIdle && !this.#isDropping;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }

  /** Bytes that waited, and the end of the request that waited behind them. */
  #proceed(): void {
    try {
      this.#input.proceed();
    } catch (error) {
      return this.#onBreach(error);
    }
    const exchange = this.#exchange;
    if (exchange?.isEndPending === true && !this.#input.isPaused && !this.#input.hasHeld) {
      exchange.tellPendingEnd();
      if (exchange.isOver && exchange === this.#exchange) this.#release();
    }
    this.#afterReading();
  }

  #afterReading(): void {
    if (!this.#isOpen || this.#exchange !== undefined || this.#isInHead || !this.#decoder.isInHead) return;
    this.#isInHead = true;
    this.#deadline.set(this.#settings.headTimeoutMs);
  }

  /** The exchange is over, though its request may still be coming. */
  #release(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (this.#isClosing) return this.#sayGoodbye(undefined);
    if (exchange?.isRequestDone === false && !exchange.isHeadOnly) {
      this.#isDropping = true;
      this.#droppedBytes = 0;
      this.#deadline.set(this.#settings.headTimeoutMs);
    } else {
      this.#deadline.set(this.#settings.idleTimeoutMs);
    }
    if (this.#input.isPaused || this.#input.hasHeld) this.resume();
  }

  #onBreach(error: unknown): void {
    if (!(error instanceof Http1Error)) throw error;
    if (!this.#isOpen) return;
    const exchange = this.#exchange;
    const failure = new ExchangeError('protocol', error.message, { status: error.status });
    // Half an answer cannot be taken back, and nobody reads one to a request that is answered already.
    if (exchange?.isAnswered === true || this.#isDropping) return this.#lose(failure);
    this.#exchange = undefined;
    exchange?.fail(failure);
    if (!this.#isOpen) return;
    sendErrorAnswer(this.channel, error.status);
    this.#sayGoodbye(failure);
  }

  /** What is written leaves, the client reads it and closes; it may take its time as long as it reads. */
  #sayGoodbye(error: ExchangeError | undefined): void {
    this.#farewell = new Farewell(this.channel, error);
    this.#input.stop();
    this.channel.end();
    this.#deadline.set(Farewell.checkMs);
  }

  #lose(error: ExchangeError | undefined): void {
    if (error === undefined) {
      // So that the client sees an end and no reset.
      this.channel.end();
      this.channel.flush();
    }
    this.#shut();
    this.#tellEnd(error ?? new ExchangeError('lost', 'the client closed the connection'), error);
  }

  #endSoon(error: ExchangeError, ownerError: ExchangeError | undefined): void {
    this.#shut();
    this.#ending = { error, ownerError };
    this.#schedule();
  }

  #finish(error: ExchangeError | undefined): void {
    this.#shut();
    this.#handler.onClosed(error);
  }

  #tellEnd(error: ExchangeError, ownerError: ExchangeError | undefined): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.fail(error);
    this.#handler.onClosed(ownerError);
  }

  #shut(): void {
    this.#isClosed = true;
    this.#input.stop();
    this.#deadline.stop();
    this.channel.close();
  }
}

/** Apart from the connection, as its `onEnd` is the channel's. */
class RequestSink implements Http1Sink {
  readonly #connection: Http1ServerConnection;

  constructor(connection: Http1ServerConnection) {
    this.#connection = connection;
  }

  onHead(head: Http1Head): void {
    this.#connection.beginRequest(head);
  }

  onInformational(): void {
    // Of responses only.
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#connection.takeBody(buffer, offset, length);
  }

  onEnd(): void {
    this.#connection.endRequest();
  }
}

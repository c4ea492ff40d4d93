import { Http1Error, type Http1Head } from '@ambit/http';
import type { ByteChannel, EventLoop, NetError } from '@ambit/net';

import type { ServerConnectionSettings } from '../connection-settings.ts';
import { ExchangeError } from '../exchange-error.ts';
import type { ServerConnection, ServerConnectionHandler } from '../server-exchange.ts';
import { type Http1ServerCarrier, Http1ServerExchange } from './http1-server-exchange.ts';
import { Http1Connection } from './http1-connection.ts';
import { receivedRequest, receivedTrailers } from './received-head.ts';
import { sendErrorAnswer } from './response-writer.ts';

/**
 * Takes HTTP/1.1 requests from a channel, one after the other: a pipelined one waits until its predecessor is answered. A
 * client that closes its side is gone, whatever it still waits for. Owns the channel.
 */
export class Http1ServerConnection
  extends Http1Connection<Http1ServerExchange>
  implements ServerConnection, Http1ServerCarrier
{
  readonly #handler: ServerConnectionHandler;
  readonly #settings: ServerConnectionSettings;
  /** The last exchange is answered, but its request is still coming. */
  #isDropping = false;
  #droppedBytes = 0;
  #isInHead = false;
  #isClosing = false;

  constructor(
    channel: ByteChannel,
    handler: ServerConnectionHandler,
    loop: EventLoop,
    settings: ServerConnectionSettings,
  ) {
    super(channel, 'request', loop, settings.http1);
    this.#handler = handler;
    this.#settings = settings;
    this.end.setTimeout(settings.headTimeoutMs);
    channel.attach(this);
  }

  drain(): void {
    this.#isClosing = true;
    if (this.#isIdle) this.end.sayGoodbye(undefined);
  }

  close(): void {
    this.loseSoon('connection closed by this side');
  }

  // --- channel

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.end.isOpen) return;
    try {
      this.input.receive(buffer, offset, length);
    } catch (error) {
      return this.#onBreach(error);
    }
    this.#afterReading();
  }

  onEnd(): void {
    if (this.end.onPeerEnd()) return;
    const { exchange } = this;
    if (exchange?.isRaw === true) {
      exchange.endRequest(undefined, this.input.isPaused || this.input.hasHeld);
      if (exchange.isOver && !exchange.isEndPending) this.#release();
      return;
    }
    this.end.lose(this.#isIdle ? undefined : new ExchangeError('lost', 'the client closed the connection'));
  }

  onWritable(): void {
    const { exchange } = this;
    if (exchange !== undefined && !exchange.isResponseDone) exchange.user.onWritable();
  }

  onLost(error: NetError): void {
    if (this.end.onChannelLost()) return;
    this.end.lose(this.#isIdle ? undefined : new ExchangeError('lost', error.message));
  }

  // --- input

  get canRead(): boolean {
    const { exchange } = this;
    return exchange === undefined || exchange.isRaw || !(exchange.isRequestDone || exchange.isHeadOnly);
  }

  beginMessage(head: Http1Head): void {
    if (head.minorVersion === 0 && !this.#settings.acceptsHttp10) {
      throw new Http1Error('version', 'HTTP/1.0 is not accepted here', 426);
    }
    if (head.method === 'CONNECT' && (head.isChunked || (head.contentLength ?? 0) > 0)) {
      throw new Http1Error('framing', 'CONNECT with a body');
    }
    // What comes after a CONNECT is meant for a tunnel, granted or not: it is nobody's next request. Class: CVE-2025-64763.
    if (!head.isPersistent || head.minorVersion === 0 || head.method === 'CONNECT') this.#isClosing = true;
    this.#isInHead = false;
    this.end.clearTimeout();
    const exchange = new Http1ServerExchange(this, receivedRequest(head, this.#settings.scheme));
    this.exchange = exchange;
    this.#handler.onRequest(exchange);
  }

  takeBody(buffer: Uint8Array, offset: number, length: number): void {
    const { exchange } = this;
    if (exchange !== undefined) return exchange.user.onBody(buffer, offset, length);
    this.#droppedBytes += length;
    if (this.#droppedBytes > this.#settings.maxDroppedBodyBytes && this.end.isOpen) this.end.sayGoodbye(undefined);
  }

  takeInformational(): void {
    // Of responses only.
  }

  endMessage(): void {
    const { exchange } = this;
    if (exchange !== undefined) {
      if (!exchange.isHeadOnly) {
        exchange.endRequest(receivedTrailers(this.decoder.trailers), this.input.isPaused);
      }
    } else if (this.#isDropping) {
      this.#isDropping = false;
      if (this.end.isOpen) this.end.setTimeout(this.#settings.idleTimeoutMs);
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
    return head.contentLength === undefined || head.contentLength <= this.#settings.maxDroppedBodyBytes;
  }

  onAnswered(exchange: Http1ServerExchange): void {
    if (exchange !== this.exchange || !this.end.isOpen) return;
    if (exchange.isOver) this.#release();
    else this.channel.end();
  }

  onSwitched(): void {
    this.schedule();
  }

  abortExchange(exchange: Http1ServerExchange): void {
    if (exchange !== this.exchange) return;
    this.exchange = undefined;
    this.loseSoon('exchange given up');
  }

  // --- loop

  onTurnEnd(): void {
    this.isScheduled = false;
    if (!this.end.tellUntold() && this.end.isOpen) this.#proceed();
  }

  // --- end

  onTimeout(): void {
    if (this.decoder.isInHead) {
      sendErrorAnswer(this.channel, 408);
      this.end.sayGoodbye(
        new ExchangeError('timeout', 'the head of the request did not come in time', { status: 408 }),
      );
    } else {
      this.end.sayGoodbye(undefined);
    }
  }

  onEnded(error: ExchangeError | undefined): void {
    this.#handler.onClosed(error);
  }

  /** Between two requests. */
  get #isIdle(): boolean {
    return this.exchange === undefined && this.decoder.isIdle && !this.#isDropping;
  }

  /** Bytes that waited, and the end of the request that waited behind them. */
  #proceed(): void {
    try {
      this.input.proceed();
    } catch (error) {
      return this.#onBreach(error);
    }
    const { exchange } = this;
    if (exchange?.isEndPending === true && !this.input.isPaused && !this.input.hasHeld) {
      exchange.tellPendingEnd();
      if (exchange.isOver && exchange === this.exchange) this.#release();
    }
    this.#afterReading();
  }

  #afterReading(): void {
    if (!this.end.isOpen || this.exchange !== undefined || this.#isInHead || !this.decoder.isInHead) return;
    this.#isInHead = true;
    this.end.setTimeout(this.#settings.headTimeoutMs);
  }

  /** The exchange is over, though its request may still be coming. */
  #release(): void {
    const { exchange } = this;
    this.exchange = undefined;
    if (this.#isClosing) return this.end.sayGoodbye(undefined);
    if (exchange?.isRequestDone === false && !exchange.isHeadOnly) {
      this.#isDropping = true;
      this.#droppedBytes = 0;
      this.end.setTimeout(this.#settings.headTimeoutMs);
    } else {
      this.end.setTimeout(this.#settings.idleTimeoutMs);
    }
    if (this.input.isPaused || this.input.hasHeld) this.resume();
  }

  #onBreach(error: unknown): void {
    if (!(error instanceof Http1Error)) throw error;
    if (!this.end.isOpen) return;
    const { exchange } = this;
    const failure = new ExchangeError('protocol', error.message, { status: error.status });
    // Half an answer cannot be taken back, and nobody reads one to a request that is answered already.
    if (exchange?.isAnswered === true || this.#isDropping) return this.end.lose(failure);
    this.exchange = undefined;
    exchange?.fail(failure);
    if (!this.end.isOpen) return;
    sendErrorAnswer(this.channel, error.status);
    this.end.sayGoodbye(failure);
  }
}

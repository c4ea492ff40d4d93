import { Http1Decoder, type Http1Head, type Http1Limits, type Http1Role } from '@ambit/http';
import type { ByteChannel, ByteChannelUser, EventLoop, NetError, TurnEndTask } from '@ambit/net';

import { ConnectionEnd, type EndingConnection } from '../connection-end.ts';
import { ExchangeError } from '../exchange-error.ts';
import { Http1Input, type Http1InputOwner } from './http1-input.ts';
import { type MessageOwner, MessageSink } from './message-sink.ts';

/** One exchange as either end of a connection carries it. */
export interface CarriedExchange {
  /** The connection has become a byte stream. */
  readonly isRaw: boolean;
  readonly user: { onBody(buffer: Uint8Array, offset: number, length: number): void };
  fail(error: ExchangeError): void;
}

/**
 * What both ends of an HTTP/1.1 connection have in common: one exchange at a time, input that may wait, an end that is told
 * once. Who begins an exchange, and what becomes of the connection after it, a subclass says. Owns the channel.
 */
export abstract class Http1Connection<Exchange extends CarriedExchange>
  implements Http1InputOwner, MessageOwner, ByteChannelUser, TurnEndTask, EndingConnection
{
  readonly protocol = 'HTTP/1.1';
  readonly channel: ByteChannel;
  protected readonly decoder: Http1Decoder;
  protected readonly input: Http1Input;
  protected readonly end: ConnectionEnd;
  protected exchange: Exchange | undefined;
  /** A turn's end is asked for; `onTurnEnd` sets it back. */
  protected isScheduled = false;
  readonly #loop: EventLoop;

  /** The subclass attaches it to its channel when it is complete. */
  protected constructor(channel: ByteChannel, reads: Http1Role, loop: EventLoop, limits: Http1Limits) {
    this.channel = channel;
    this.#loop = loop;
    this.decoder = new Http1Decoder(reads, new MessageSink(this), limits);
    this.input = new Http1Input(this.decoder, channel, this);
    this.end = new ConnectionEnd(this, channel, loop);
  }

  abstract readonly canRead: boolean;
  abstract onBytes(buffer: Uint8Array, offset: number, length: number): void;
  abstract onEnd(): void;
  abstract onWritable(): void;
  abstract onLost(error: NetError): void;
  abstract beginMessage(head: Http1Head): void;
  abstract takeInformational(head: Http1Head): void;
  abstract takeBody(buffer: Uint8Array, offset: number, length: number): void;
  abstract endMessage(): void;
  abstract onTurnEnd(): void;
  abstract onTimeout(): void;
  abstract onEnded(error: ExchangeError | undefined): void;

  get activeExchanges(): number {
    return this.exchange === undefined ? 0 : 1;
  }

  get isRaw(): boolean {
    return this.exchange?.isRaw === true;
  }

  onRawBytes(buffer: Uint8Array, offset: number, length: number): void {
    this.exchange?.user.onBody(buffer, offset, length);
  }

  pause(): void {
    this.input.pause();
  }

  resume(): void {
    this.input.resume();
    this.schedule();
  }

  onStopped(): void {
    this.input.stop();
  }

  failExchanges(error: ExchangeError): void {
    const { exchange } = this;
    this.exchange = undefined;
    exchange?.fail(error);
  }

  protected schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.#loop.atTurnEnd(this);
  }

  protected loseSoon(text: string): void {
    this.end.loseSoon(new ExchangeError('closed', text));
    this.schedule();
  }
}

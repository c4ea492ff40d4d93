import { type ByteChannel, Deadline, type DeadlineUser, type EventLoop } from '@ambit/net';

import { ExchangeError } from './exchange-error.ts';

/** The connection whose end this is. */
export interface EndingConnection {
  /** Nothing is read or written any more. Once, before the rest. */
  onStopped(): void;
  failExchanges(error: ExchangeError): void;
  /** Once, last. */
  onEnded(error: ExchangeError | undefined): void;
  /** The time that was set is over, and the connection open. */
  onTimeout(): void;
}

/** Between checks whether the peer has read the last word. */
const checkMs = 1000;
/** Checks without any byte leaving before the peer is given up. */
const maxStalls = 10;

/**
 * How a connection ends, the same for both versions and both ends. By a farewell: what is written leaves, and the peer, having
 * read it, closes; closing at once could reset the connection under the answer. By a loss, at once. Or at once by this side,
 * told at the end of the turn. Owns the channel's end and the connection's one deadline.
 */
export class ConnectionEnd implements DeadlineUser {
  readonly #connection: EndingConnection;
  readonly #channel: ByteChannel;
  readonly #deadline: Deadline;
  #phase: 'open' | 'farewell' | 'closed' = 'open';
  /** What the owner is told after the farewell. */
  #farewellError: ExchangeError | undefined;
  #queuedBytes = 0;
  #stalls = 0;
  #hasStopped = false;
  #untold: ExchangeError | undefined;

  constructor(connection: EndingConnection, channel: ByteChannel, loop: EventLoop) {
    this.#connection = connection;
    this.#channel = channel;
    this.#deadline = new Deadline(loop, this);
  }

  get isOpen(): boolean {
    return this.#phase === 'open';
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** `onTimeout` after so many milliseconds; 0: never. */
  setTimeout(delayMs: number): void {
    if (this.isOpen) this.#deadline.set(delayMs);
  }

  clearTimeout(): void {
    if (this.isOpen) this.#deadline.clear();
  }

  sayGoodbye(error: ExchangeError | undefined): void {
    if (!this.isOpen) return;
    this.#phase = 'farewell';
    this.#farewellError = error;
    this.#queuedBytes = this.#channel.queuedBytes;
    this.#stop();
    this.#channel.end();
    this.#deadline.set(checkMs);
  }

  /** Ends it now and tells everybody. Without an error it was nobody's loss, and the peer sees an end and no reset. */
  lose(error: ExchangeError | undefined): void {
    if (this.isClosed) return;
    if (error === undefined) this.endChannel();
    this.#shut();
    this.#connection.failExchanges(error ?? new ExchangeError('lost', 'the peer closed the connection'));
    this.#connection.onEnded(error);
  }

  /** Ends it now; `tellUntold` at the end of the turn has the rest. */
  loseSoon(error: ExchangeError): void {
    if (this.isClosed) return;
    this.#shut();
    this.#untold = error;
  }

  /** Fails the exchanges at the end of the turn. */
  failSoon(error: ExchangeError): void {
    this.#untold = error;
  }

  /** At the end of a turn. True if the connection has ended. */
  tellUntold(): boolean {
    const error = this.#untold;
    this.#untold = undefined;
    if (error !== undefined) {
      this.#connection.failExchanges(error);
      if (this.isClosed) this.#connection.onEnded(this.#farewellError);
    }
    return this.isClosed;
  }

  /** The peer has ended its side. True if that was expected, or is of no interest any more. */
  onPeerEnd(): boolean {
    if (this.#phase === 'farewell') {
      // Closing before everything has left would cut it off.
      this.#channel.flush();
      if (this.#channel.queuedBytes === 0) this.#finish();
    }
    return !this.isOpen;
  }

  /** The channel is gone. True if that is of no interest any more. */
  onChannelLost(): boolean {
    if (this.#phase === 'farewell') this.#finish();
    return !this.isOpen;
  }

  endChannel(): void {
    this.#channel.end();
    this.#channel.flush();
  }

  onDeadline(): void {
    if (this.isOpen) return this.#connection.onTimeout();
    const { queuedBytes } = this.#channel;
    this.#stalls = queuedBytes < this.#queuedBytes ? 0 : this.#stalls + 1;
    this.#queuedBytes = queuedBytes;
    if (queuedBytes === 0 || this.#stalls >= maxStalls) this.#finish();
    else this.#deadline.set(checkMs);
  }

  #finish(): void {
    this.#shut();
    // With something untold the end comes after it.
    if (this.#untold === undefined) this.#connection.onEnded(this.#farewellError);
  }

  #stop(): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    this.#connection.onStopped();
  }

  #shut(): void {
    this.#phase = 'closed';
    this.#stop();
    this.#deadline.stop();
    this.#channel.close();
  }
}

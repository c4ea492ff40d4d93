import type { ByteChannel } from '@ambit/net';

import type { ExchangeError } from './exchange-error.ts';

/** Checks without any byte leaving before the peer is given up. */
const maxStalls = 10;

/**
 * A connection that has said its last word and waits for the peer to read it: closing at once could reset the connection
 * under the answer. Over when everything has left and one check has passed, or when nothing leaves for long.
 */
export class Farewell {
  static readonly checkMs: number = 1000;
  /** What the owner is told in the end. */
  readonly error: ExchangeError | undefined;
  readonly #channel: ByteChannel;
  #queuedBytes: number;
  #stalls = 0;

  constructor(channel: ByteChannel, error: ExchangeError | undefined) {
    this.#channel = channel;
    this.error = error;
    this.#queuedBytes = channel.queuedBytes;
  }

  /** Asked once each `checkMs`. */
  get isOver(): boolean {
    const { queuedBytes } = this.#channel;
    this.#stalls = queuedBytes < this.#queuedBytes ? 0 : this.#stalls + 1;
    this.#queuedBytes = queuedBytes;
    return queuedBytes === 0 || this.#stalls >= maxStalls;
  }
}

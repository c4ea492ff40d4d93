import type { ByteChannel } from '@ambit/net';

import type { ExchangeOutput } from './exchange-output.ts';

/** Frames that wait for a peer which does not read: above this, nothing is read from it either. */
const maxOwedBytes = 128 * 1024;

/** Stops reading from a peer that owes its own reading: its frames ask for answers, which would pile up. */
export class ReadGate {
  readonly #channel: Pick<ByteChannel, 'pause' | 'resume'>;
  readonly #output: Pick<ExchangeOutput, 'isBlocked' | 'length'>;
  #isShut = false;

  constructor(channel: Pick<ByteChannel, 'pause' | 'resume'>, output: Pick<ExchangeOutput, 'isBlocked' | 'length'>) {
    this.#channel = channel;
    this.#output = output;
  }

  /** After each attempt to send. */
  update(): void {
    const isShut = this.#output.isBlocked && this.#output.length > maxOwedBytes;
    if (isShut === this.#isShut) return;
    this.#isShut = isShut;
    if (isShut) this.#channel.pause();
    else this.#channel.resume();
  }

  /** For good: what is left of the connection reads to its end. */
  open(): void {
    if (this.#isShut) this.#channel.resume();
    this.#isShut = false;
  }
}

import type { ByteTransport } from './byte-transport.ts';
import { outputControlBytes, outputDataBytes, threadBuffers } from './slab-pool.ts';

/**
 * What a connection has to send: one slab, filled during a turn and written at its end.
 *
 * DATA may fill the lower part only; the rest is for control frames, so that a connection whose peer does not read can
 * still be told so, and a peer that makes us owe it more than that is disconnected.
 */
export class TunnelOutput {
  readonly #transport: ByteTransport;
  #slab: Uint8Array | undefined;
  #sent = 0;
  #length = 0;
  /** The transport did not take everything; wait until it is writable. */
  isBlocked = false;

  constructor(transport: ByteTransport) {
    this.#transport = transport;
  }

  /** Bytes of DATA frames, headers included, that fit now. */
  get dataRoom(): number {
    return this.isBlocked ? 0 : outputDataBytes - this.#length;
  }

  /** The slab to write into, at `position`. */
  get slab(): Uint8Array {
    this.#slab ??= threadBuffers().output.take();
    return this.#slab;
  }

  get position(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.#length === this.#sent;
  }

  /** Makes sure that `bytes` of control frames fit; false if the peer is owed too much already. */
  hasControlRoom(bytes: number): boolean {
    if (this.#length + bytes <= outputDataBytes + outputControlBytes) return true;
    this.flush();
    if (this.#sent > 0 && this.#slab !== undefined) {
      this.#slab.copyWithin(0, this.#sent, this.#length);
      this.#length -= this.#sent;
      this.#sent = 0;
    }
    return this.#length + bytes <= outputDataBytes + outputControlBytes;
  }

  /** Bytes up to `position` were written into the slab. */
  commit(position: number): void {
    this.#length = position;
  }

  /** Writes what is there. False if the transport failed; `isBlocked` tells whether all is out. */
  flush(): boolean {
    const slab = this.#slab;
    if (slab !== undefined && this.#length > this.#sent) {
      const taken = this.#transport.write(slab, this.#sent, this.#length - this.#sent);
      if (taken < 0) return false;
      this.#sent += taken;
    }
    const left = this.#transport.flush();
    if (left < 0) return false;
    this.isBlocked = left > 0 || this.#sent < this.#length;
    if (this.#sent === this.#length) this.release();
    return true;
  }

  /** Drops what is there and gives the slab back. */
  release(): void {
    if (this.#slab !== undefined) threadBuffers().output.giveBack(this.#slab);
    this.#slab = undefined;
    this.#sent = 0;
    this.#length = 0;
  }
}

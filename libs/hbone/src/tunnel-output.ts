import { FrameOutput } from '@ambit/http';
import { SlabPool } from '@ambit/net';

import type { ByteTransport } from './byte-transport.ts';

/** Bytes of DATA that a tunnel collects before it must write. */
const dataBytes = 256 * 1024;
/** Room above that for control frames and headers. */
const controlBytes = 128 * 1024;

/** One size for all: sockets are read right into it, and how much they have is not known before. */
const slabs: readonly SlabPool[] = [new SlabPool(dataBytes + controlBytes, 8)];

/** What a tunnel connection has to send; the transport takes of it what it can. */
export class TunnelOutput extends FrameOutput {
  readonly #transport: ByteTransport;

  constructor(transport: ByteTransport) {
    super(slabs, dataBytes);
    this.#transport = transport;
  }

  /** False if the transport failed; `isBlocked` tells whether all is out. */
  override flush(): boolean {
    if (this.length > 0) {
      const taken = this.#transport.write(this.slab, this.start, this.length);
      if (taken < 0) return false;
      this.take(taken);
    }
    const left = this.#transport.flush();
    if (left < 0) return false;
    this.isBlocked = left > 0 || this.length > 0;
    if (this.length === 0) this.release();
    return true;
  }
}

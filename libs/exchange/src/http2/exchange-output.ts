import { FrameOutput } from '@ambit/http';
import { type ByteChannel, SlabPool } from '@ambit/net';

/** For heads and small messages, for a slice of a large body with its frame headers, and for many of both. */
const slabs: readonly SlabPool[] = [
  new SlabPool(16 * 1024, 64),
  new SlabPool(80 * 1024, 32),
  new SlabPool(512 * 1024, 8),
];
/** DATA fills a slab up to here. */
const dataBytes = 256 * 1024;

/** What a connection has to send, which its channel takes whole. While that takes no more, frames wait here. */
export class ExchangeOutput extends FrameOutput {
  readonly #channel: ByteChannel;

  constructor(channel: ByteChannel) {
    super(slabs, dataBytes);
    this.#channel = channel;
  }

  override flush(): boolean {
    if (this.isBlocked) return true;
    if (this.length > 0) this.isBlocked = !this.#channel.write(this.slab, 0, this.length);
    this.release();
    return true;
  }
}

import type { ByteChannel, ByteChannelUser, NetError } from '@ambit/net';

import { latin1 } from './recorders.ts';

/** The other side of a connection, by hand: bytes out, bytes in. */
export class RawPeer implements ByteChannelUser {
  received = '';
  isEnded = false;
  lost: NetError | undefined;
  readonly channel: ByteChannel;

  constructor(channel: ByteChannel) {
    this.channel = channel;
    channel.attach(this);
  }

  send(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.channel.write(bytes, 0, bytes.length);
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    this.received += latin1(buffer, offset, length);
  }

  onEnd(): void {
    this.isEnded = true;
  }

  onWritable(): void {
    // Sends what it likes.
  }

  onLost(error: NetError): void {
    this.lost = error;
  }

  get isGone(): boolean {
    return this.isEnded || this.lost !== undefined;
  }
}

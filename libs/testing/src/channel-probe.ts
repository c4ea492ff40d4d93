import type { ByteChannel, ByteChannelUser, NetError } from '@ambit/net';

/** A user of a channel that remembers what it was told. */
export class ChannelProbe implements ByteChannelUser {
  readonly channel: ByteChannel;
  readonly chunks: Buffer[] = [];
  receivedBytes = 0;
  isEnded = false;
  writableCalls = 0;
  lost: NetError | undefined;
  onBytesHook: (bytes: Buffer) => void = () => {};
  onEndHook: () => void = () => {};
  onWritableHook: () => void = () => {};

  constructor(channel: ByteChannel) {
    this.channel = channel;
    channel.attach(this);
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  send(bytes: Uint8Array | string): boolean {
    const buffer = Buffer.from(bytes);
    return this.channel.write(buffer, 0, buffer.length);
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    const bytes = Buffer.from(buffer.subarray(offset, offset + length));
    this.chunks.push(bytes);
    this.receivedBytes += length;
    this.onBytesHook(bytes);
  }

  onEnd(): void {
    this.isEnded = true;
    this.onEndHook();
  }

  onWritable(): void {
    this.writableCalls++;
    this.onWritableHook();
  }

  onLost(error: NetError): void {
    this.lost = error;
  }
}

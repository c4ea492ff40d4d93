import {
  clientPreface,
  ErrorCode,
  FrameFlag,
  FrameType,
  HpackEncoder,
  writeFrameHeader,
  writeGoAway,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '@ambit/http';
import type { ByteChannel, ByteChannelUser, NetError } from '@ambit/net';

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer<ArrayBufferLike>;
}

type Fields = readonly (readonly [string, string])[];

/** An HTTP/2 peer by hand: any frame in any order, and what comes back. */
export class FramePeer implements ByteChannelUser {
  readonly frames: SeenFrame[] = [];
  isEnded = false;
  isLost = false;
  receivedBytes = 0;
  readonly #channel: ByteChannel;
  readonly #encoder = new HpackEncoder();
  #waiting: Buffer<ArrayBufferLike> = Buffer.alloc(0);

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    channel.attach(this);
  }

  raw(bytes: Uint8Array): void {
    this.#channel.write(bytes, 0, bytes.length);
  }

  hello(settings: readonly (readonly [number, number])[] = []): void {
    this.raw(Buffer.from(clientPreface));
    this.settings(settings);
  }

  settings(settings: readonly (readonly [number, number])[] = []): void {
    this.raw(build(9 + settings.length * 6, (bytes) => writeSettings(bytes, 0, settings)));
  }

  settingsAck(): void {
    this.raw(build(9, (bytes) => writeSettingsAck(bytes, 0)));
  }

  ping(): void {
    this.raw(build(17, (bytes) => writePing(bytes, 0, false, Buffer.alloc(8, 7), 0)));
  }

  reset(streamId: number, code: number = ErrorCode.cancel): void {
    this.raw(build(13, (bytes) => writeRstStream(bytes, 0, streamId, code)));
  }

  goAway(lastStreamId: number, code: number = ErrorCode.noError): void {
    this.raw(build(17, (bytes) => writeGoAway(bytes, 0, lastStreamId, code)));
  }

  windowUpdate(streamId: number, increment: number): void {
    this.raw(build(13, (bytes) => writeWindowUpdate(bytes, 0, streamId, increment)));
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const bytes = new Uint8Array(9 + payload.length);
    writeFrameHeader(bytes, 0, payload.length, type, flags, streamId);
    bytes.set(payload, 9);
    this.raw(bytes);
  }

  block(fields: Fields): Buffer<ArrayBufferLike> {
    const block = Buffer.alloc(fields.reduce((sum, [name, value]) => sum + name.length + value.length + 20, 64));
    let at = this.#encoder.begin(block, 0);
    for (const [name, value] of fields) at = this.#encoder.field(block, at, name, value, 'plain');
    return block.subarray(0, at);
  }

  headers(streamId: number, fields: Fields, isEnd: boolean): void {
    const flags = FrameFlag.endHeaders | (isEnd ? FrameFlag.endStream : 0);
    this.frame(FrameType.headers, flags, streamId, this.block(fields));
  }

  data(streamId: number, text: string, isEnd: boolean): void {
    this.frame(FrameType.data, isEnd ? FrameFlag.endStream : 0, streamId, Buffer.from(text, 'latin1'));
  }

  /** Frames of a type, in order. */
  seen(type: number): readonly SeenFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Code of the first RST_STREAM of a stream. */
  resetCode(streamId: number): number | undefined {
    return this.seen(FrameType.rstStream)
      .find((frame) => frame.streamId === streamId)
      ?.payload.readUInt32BE(0);
  }

  get goAwayCode(): number | undefined {
    return this.seen(FrameType.goAway).at(-1)?.payload.readUInt32BE(4);
  }

  dataOf(streamId: number): string {
    const frames = this.seen(FrameType.data).filter((frame) => frame.streamId === streamId);
    return Buffer.concat(frames.map((frame) => frame.payload)).toString('latin1');
  }

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    this.receivedBytes += length;
    this.#waiting = Buffer.concat([this.#waiting, buffer.subarray(offset, offset + length)]);
    while (this.#waiting.length >= 9) {
      const size = this.#waiting.readUIntBE(0, 3);
      if (this.#waiting.length < 9 + size) return;
      this.frames.push({
        type: this.#waiting[3] ?? 0,
        flags: this.#waiting[4] ?? 0,
        streamId: this.#waiting.readUInt32BE(5),
        payload: Buffer.from(this.#waiting.subarray(9, 9 + size)),
      });
      this.#waiting = this.#waiting.subarray(9 + size);
    }
  }

  onEnd(): void {
    this.isEnded = true;
  }

  onWritable(): void {
    // Sends what it likes.
  }

  onLost(_error: NetError): void {
    this.isLost = true;
  }

  end(): void {
    this.#channel.end();
  }

  pause(): void {
    this.#channel.pause();
  }

  resume(): void {
    this.#channel.resume();
  }
}

function build(bytes: number, write: (target: Uint8Array) => number): Uint8Array {
  const target = new Uint8Array(bytes);
  write(target);
  return target;
}

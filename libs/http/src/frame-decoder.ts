import { ByteCollector } from './byte-collector.ts';
import { defaultFrameDecoderLimits, type FrameDecoderLimits } from './frame-decoder-limits.ts';
import type { FrameSink } from './frame-sink.ts';
import { clientPreface, ErrorCode, FrameFlag, frameHeaderBytes, FrameType, maxInt31 } from './frame-type.ts';
import { Http2Error } from './http2-error.ts';
import { checkSetting } from './setting-range.ts';

type Phase = 'preface' | 'header' | 'padLength' | 'data' | 'padding' | 'skip' | 'collect';

/**
 * Incremental HTTP/2 frame decoder: bytes in, FrameSink calls out.
 *
 * DATA payloads pass through in pieces without being kept; other payloads are parsed in place when they are whole in the
 * input, else gathered up to the limits. Allocates nothing for frames that arrive whole. After a thrown connection error
 * the decoder must not be used again. Stream semantics (state, windows, header meaning) are the owner's.
 * Spec: RFC 9113 sections 3.4, 4.1, 4.3, 6.
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #limits: FrameDecoderLimits;
  readonly #isServer: boolean;
  #phase: Phase;
  #prefaceSeen = 0;
  #settingsSeen = false;
  #stopped = false;

  #type = 0;
  #flags = 0;
  #streamId = 0;
  #remaining = 0;
  #padBytes = 0;
  readonly #partial: ByteCollector = new ByteCollector();

  /** The stream whose header block is unfinished, 0 if none. */
  #blockStreamId = 0;
  #blockEndStream = false;
  #blockFrames = 0;
  #block: ByteCollector | undefined;

  constructor(role: 'server' | 'client', sink: FrameSink, limits: FrameDecoderLimits = defaultFrameDecoderLimits) {
    this.#sink = sink;
    this.#limits = limits;
    this.#isServer = role === 'server';
    this.#phase = this.#isServer ? 'preface' : 'header';
  }

  /** Makes the push under way return after the current sink call, and later ones do nothing. */
  stop(): void {
    this.#stopped = true;
  }

  /** True until the peer's preface and first SETTINGS frame header have come. */
  get awaitsPreface(): boolean {
    return !this.#settingsSeen;
  }

  /** Consumes all of `buffer[offset, offset + length)`. @throws Http2Error on a connection error. */
  push(buffer: Uint8Array, offset: number, length: number): void {
    const end = offset + length;
    let at = offset;
    while (at < end && !this.#stopped) {
      switch (this.#phase) {
        case 'preface':
          at = this.#readPreface(buffer, at, end);
          break;
        case 'header':
          at = this.#readHeader(buffer, at, end);
          break;
        case 'padLength':
          at = this.#readPadLength(buffer, at);
          break;
        case 'data':
          at = this.#readData(buffer, at, end);
          break;
        case 'padding':
        case 'skip':
          at = this.#readSkipped(at, end);
          break;
        case 'collect':
          at = this.#readPayload(buffer, at, end);
          break;
      }
    }
  }

  #readPreface(buffer: Uint8Array, at: number, end: number): number {
    while (at < end && this.#prefaceSeen < clientPreface.length) {
      if (buffer[at] !== clientPreface.charCodeAt(this.#prefaceSeen)) {
        throw new Http2Error(ErrorCode.protocolError, 'connection preface is not HTTP/2');
      }
      at++;
      this.#prefaceSeen++;
    }
    if (this.#prefaceSeen === clientPreface.length) this.#phase = 'header';
    return at;
  }

  #readHeader(buffer: Uint8Array, at: number, end: number): number {
    const have = this.#partial.length;
    if (have === 0 && end - at >= frameHeaderBytes) {
      this.#startFrame(buffer, at);
      return at + frameHeaderBytes;
    }
    const take = Math.min(frameHeaderBytes - have, end - at);
    this.#partial.append(buffer, at, take);
    if (have + take === frameHeaderBytes) {
      const header = this.#partial.bytes;
      this.#partial.clear();
      this.#startFrame(header, 0);
    }
    return at + take;
  }

  #startFrame(buffer: Uint8Array, at: number): void {
    const length = ((buffer[at] ?? 0) << 16) | ((buffer[at + 1] ?? 0) << 8) | (buffer[at + 2] ?? 0);
    this.#type = buffer[at + 3] ?? 0;
    this.#flags = buffer[at + 4] ?? 0;
    this.#streamId = readUint31(buffer, at + 5);
    this.#remaining = length;
    if (length > this.#limits.maxFrameBytes) {
      throw new Http2Error(ErrorCode.frameSizeError, `frame of ${length} bytes`);
    }
    if (!this.#settingsSeen) {
      if (this.#type !== FrameType.settings || (this.#flags & FrameFlag.ack) !== 0) {
        throw new Http2Error(ErrorCode.protocolError, 'first frame is not SETTINGS');
      }
      this.#settingsSeen = true;
    }
    if (
      this.#blockStreamId !== 0 &&
      (this.#type !== FrameType.continuation || this.#streamId !== this.#blockStreamId)
    ) {
      throw new Http2Error(ErrorCode.protocolError, 'header block interrupted by another frame');
    }
    if (this.#type === FrameType.data) this.#startData(length);
    else this.#startControl(length);
  }

  #startData(length: number): void {
    if (this.#streamId === 0) throw new Http2Error(ErrorCode.protocolError, 'DATA on stream 0');
    const padded = (this.#flags & FrameFlag.padded) !== 0;
    if (padded && length === 0) throw new Http2Error(ErrorCode.frameSizeError, 'padded DATA without pad length');
    this.#sink.onDataFrame(this.#streamId, length, (this.#flags & FrameFlag.endStream) !== 0);
    this.#padBytes = 0;
    if (padded) this.#phase = 'padLength';
    else if (length > 0) this.#phase = 'data';
    else this.#endData();
  }

  #readPadLength(buffer: Uint8Array, at: number): number {
    const padding = buffer[at] ?? 0;
    if (padding >= this.#remaining) throw new Http2Error(ErrorCode.protocolError, 'padding longer than its frame');
    this.#remaining -= 1 + padding;
    this.#padBytes = padding;
    this.#sink.onDataPadding(this.#streamId, 1 + padding);
    if (this.#remaining > 0) this.#phase = 'data';
    else this.#afterData();
    return at + 1;
  }

  #readData(buffer: Uint8Array, at: number, end: number): number {
    const take = Math.min(this.#remaining, end - at);
    this.#remaining -= take;
    this.#sink.onData(this.#streamId, buffer, at, take);
    if (this.#remaining === 0) this.#afterData();
    return at + take;
  }

  #afterData(): void {
    if (this.#padBytes === 0) {
      this.#endData();
    } else {
      this.#remaining = this.#padBytes;
      this.#phase = 'padding';
    }
  }

  #endData(): void {
    this.#phase = 'header';
    if ((this.#flags & FrameFlag.endStream) !== 0) this.#sink.onDataEnd(this.#streamId);
  }

  #readSkipped(at: number, end: number): number {
    const take = Math.min(this.#remaining, end - at);
    this.#remaining -= take;
    if (this.#remaining === 0) {
      if (this.#phase === 'padding') this.#endData();
      else this.#phase = 'header';
    }
    return at + take;
  }

  /** Checks everything a frame header can tell, then waits for the payload. */
  #startControl(length: number): void {
    const type = this.#type;
    if (type > FrameType.continuation) {
      this.#sink.onUnknownFrame(type);
      this.#phase = length > 0 ? 'skip' : 'header';
      return;
    }
    const onConnection = type === FrameType.settings || type === FrameType.ping || type === FrameType.goAway;
    if (type !== FrameType.windowUpdate && onConnection !== (this.#streamId === 0)) {
      throw new Http2Error(ErrorCode.protocolError, `frame type ${type} on stream ${this.#streamId}`);
    }
    this.#checkLength(type, length);
    if (length === 0) {
      this.#phase = 'header';
      this.#endControl(noBytes, 0, 0);
    } else {
      this.#phase = 'collect';
    }
  }

  #checkLength(type: number, length: number): void {
    switch (type) {
      case FrameType.headers:
        if (length > this.#limits.maxHeaderBlockBytes) throw tooLargeBlock();
        return;
      case FrameType.continuation:
        if (this.#blockStreamId === 0) throw new Http2Error(ErrorCode.protocolError, 'CONTINUATION without HEADERS');
        if (++this.#blockFrames > this.#limits.maxContinuationFrames) {
          throw new Http2Error(ErrorCode.enhanceYourCalm, 'too many CONTINUATION frames');
        }
        if ((this.#block?.length ?? 0) + length > this.#limits.maxHeaderBlockBytes) throw tooLargeBlock();
        return;
      case FrameType.settings:
        if ((this.#flags & FrameFlag.ack) !== 0 ? length !== 0 : length % 6 !== 0) break;
        if (length > this.#limits.maxSettingsEntries * 6) {
          throw new Http2Error(ErrorCode.enhanceYourCalm, 'too many settings');
        }
        return;
      case FrameType.goAway:
        // The debug text is of no use to us; a longer one than this is refused rather than kept.
        if (length > 8 + 4096) throw new Http2Error(ErrorCode.enhanceYourCalm, 'GOAWAY too large');
        if (length < 8) break;
        return;
      case FrameType.pushPromise:
        // A server must not receive it and our clients disable it.
        throw new Http2Error(ErrorCode.protocolError, 'PUSH_PROMISE');
      case FrameType.ping:
        if (length !== 8) break;
        return;
      case FrameType.priority:
        // Only a stream error, so the payload is read first.
        if (length > 256) break;
        return;
      default:
        if (length !== 4) break;
        return;
    }
    throw new Http2Error(ErrorCode.frameSizeError, `frame type ${type} with ${length} bytes`);
  }

  #readPayload(buffer: Uint8Array, at: number, end: number): number {
    const have = this.#partial.length;
    const take = Math.min(this.#remaining, end - at);
    if (have === 0 && take === this.#remaining) {
      this.#remaining = 0;
      this.#phase = 'header';
      this.#endControl(buffer, at, take);
      return at + take;
    }
    this.#partial.append(buffer, at, take);
    this.#remaining -= take;
    if (this.#remaining === 0) {
      const payload = this.#partial.bytes;
      const length = this.#partial.length;
      this.#partial.clear();
      this.#phase = 'header';
      this.#endControl(payload, 0, length);
    }
    return at + take;
  }

  #endControl(buffer: Uint8Array, at: number, length: number): void {
    const sink = this.#sink;
    switch (this.#type) {
      case FrameType.headers:
        return this.#endHeaders(buffer, at, length);
      case FrameType.continuation:
        return this.#endFragment(buffer, at, length);
      case FrameType.priority:
        return this.#endPriority(buffer, at, length);
      case FrameType.rstStream:
        return sink.onReset(this.#streamId, readUint32(buffer, at));
      case FrameType.settings:
        return this.#endSettings(buffer, at, length);
      case FrameType.ping:
        return sink.onPing((this.#flags & FrameFlag.ack) !== 0, buffer, at);
      case FrameType.goAway:
        return sink.onGoAway(readUint31(buffer, at), readUint32(buffer, at + 4));
      default:
        return this.#endWindowUpdate(readUint31(buffer, at));
    }
  }

  #endHeaders(buffer: Uint8Array, at: number, length: number): void {
    let from = at;
    let to = at + length;
    if ((this.#flags & FrameFlag.padded) !== 0) {
      if (length < 1) throw new Http2Error(ErrorCode.frameSizeError, 'padded HEADERS without pad length');
      to -= buffer[from] ?? 0;
      from += 1;
    }
    if ((this.#flags & FrameFlag.priority) !== 0) {
      if (to - from >= 5 && readUint31(buffer, from) === this.#streamId) {
        throw new Http2Error(ErrorCode.protocolError, 'stream depends on itself');
      }
      from += 5;
    }
    if (from > to) throw new Http2Error(ErrorCode.protocolError, 'HEADERS padding or priority longer than its frame');
    this.#blockEndStream = (this.#flags & FrameFlag.endStream) !== 0;
    this.#endFragment(buffer, from, to - from);
  }

  #endFragment(buffer: Uint8Array, at: number, length: number): void {
    const isLast = (this.#flags & FrameFlag.endHeaders) !== 0;
    const block = this.#block;
    if (block === undefined && isLast) {
      this.#blockStreamId = 0;
      this.#sink.onHeaderBlock(this.#streamId, buffer, at, length, this.#blockEndStream);
      return;
    }
    const gathered = block ?? new ByteCollector();
    gathered.append(buffer, at, length);
    this.#block = gathered;
    this.#blockStreamId = this.#streamId;
    if (!isLast) return;
    this.#block = undefined;
    this.#blockStreamId = 0;
    this.#blockFrames = 0;
    this.#sink.onHeaderBlock(this.#streamId, gathered.bytes, 0, gathered.length, this.#blockEndStream);
  }

  #endPriority(buffer: Uint8Array, at: number, length: number): void {
    if (length !== 5) {
      this.#sink.onStreamError(new Http2Error(ErrorCode.frameSizeError, 'PRIORITY size', this.#streamId));
    } else if (readUint31(buffer, at) === this.#streamId) {
      this.#sink.onStreamError(new Http2Error(ErrorCode.protocolError, 'stream depends on itself', this.#streamId));
    } else {
      this.#sink.onPriority(this.#streamId);
    }
  }

  #endSettings(buffer: Uint8Array, at: number, length: number): void {
    if ((this.#flags & FrameFlag.ack) !== 0) return this.#sink.onSettingsAck();
    for (let i = at; i < at + length && !this.#stopped; i += 6) {
      const id = ((buffer[i] ?? 0) << 8) | (buffer[i + 1] ?? 0);
      const value = readUint32(buffer, i + 2);
      checkSetting(id, value, this.#isServer);
      this.#sink.onSetting(id, value);
    }
    if (!this.#stopped) this.#sink.onSettingsEnd();
  }

  #endWindowUpdate(increment: number): void {
    if (increment > 0) return this.#sink.onWindowUpdate(this.#streamId, increment);
    const error = new Http2Error(ErrorCode.protocolError, 'WINDOW_UPDATE of 0', this.#streamId);
    if (error.isConnectionError) throw error;
    this.#sink.onStreamError(error);
  }
}

const noBytes: Uint8Array = new Uint8Array(0);

function tooLargeBlock(): Http2Error {
  return new Http2Error(ErrorCode.enhanceYourCalm, 'header block too large');
}

function readUint31(buffer: Uint8Array, at: number): number {
  return readUint32(buffer, at) & maxInt31;
}

function readUint32(buffer: Uint8Array, at: number): number {
  const high = ((buffer[at] ?? 0) << 24) | ((buffer[at + 1] ?? 0) << 16);
  return (high | ((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0)) >>> 0;
}

import {
  ErrorCode,
  FrameDecoder,
  type FrameSink,
  HeaderList,
  HpackDecoder,
  Http2AbuseMeter,
  Http2Error,
  maxInt31,
  SettingId,
  trailersProblem,
} from '@ambit/http';

import type { Http2Connection } from './http2-connection.ts';
import type { Http2Stream } from './http2-stream.ts';
import { trailersOf } from './received-list.ts';

/** Streams that we reset lately: what the peer sent before it knew is dropped without complaint. */
const rememberedResets = 256;
/** Streams over the limit that a client may open before it has acknowledged our SETTINGS. */
const maxEarlyRefusals = 1000;

/**
 * The receiving half: what each frame means, and what it costs a peer that sends too many of them. Connection errors are thrown
 * as Http2Error through the decoder to the connection; stream errors end here. Spec: RFC 9113 sections 5.1, 6, 8.
 */
export class Http2Receiver implements FrameSink {
  readonly #connection: Http2Connection;
  readonly #decoder: FrameDecoder;
  readonly #hpack: HpackDecoder;
  readonly #abuse: Http2AbuseMeter;
  readonly #maxListBytes: number;
  readonly #maxFields: number;
  #current: Http2Stream | undefined;
  #resets: Set<number> | undefined;
  /** The peer has acknowledged our SETTINGS, which tell how many streams it may open. */
  #isLimitKnown = false;
  #earlyRefusals = 0;
  /** Highest stream id the peer opened (server). */
  lastPeerStreamId = 0;
  /** New streams above this id are refused (server, draining). */
  acceptBelow: number = maxInt31;

  constructor(connection: Http2Connection) {
    const { settings, isServer } = connection;
    this.#connection = connection;
    this.#maxListBytes = settings.maxHeaderListBytes;
    this.#maxFields = settings.maxFields;
    this.#decoder = new FrameDecoder(isServer ? 'server' : 'client', this, {
      maxFrameBytes: settings.maxFrameBytes,
      // Twice the list: one a little over the limit is answered with 431 and not with the end of the connection.
      maxHeaderBlockBytes: this.#maxListBytes * 2,
      maxContinuationFrames: 16,
      maxSettingsEntries: 64,
    });
    this.#hpack = new HpackDecoder(this.#maxListBytes);
    this.#abuse = new Http2AbuseMeter(settings.abuse);
  }

  get hasSettings(): boolean {
    return !this.#decoder.awaitsPreface;
  }

  push(buffer: Uint8Array, offset: number, length: number): void {
    this.#decoder.push(buffer, offset, length);
  }

  stop(): void {
    this.#decoder.stop();
  }

  /** We reset this stream; frames that are under way to it are expected. */
  rememberReset(streamId: number): void {
    const resets = (this.#resets ??= new Set());
    if (resets.size >= rememberedResets) {
      for (const oldest of resets) {
        resets.delete(oldest);
        break;
      }
    }
    resets.add(streamId);
  }

  onDataFrame(streamId: number, flowBytes: number, endStream: boolean): void {
    const connection = this.#connection;
    this.#current = undefined;
    connection.credit.receive(flowBytes);
    if (flowBytes === 0 && !endStream) this.#note('emptyData');
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId, 'DATA');
      if (this.#resets?.has(streamId) !== true) this.#fail(streamId, ErrorCode.streamClosed, 'DATA on a closed stream');
    } else if (!stream.canReceive) {
      this.#fail(streamId, ErrorCode.streamClosed, 'DATA after the end of a stream');
    } else if (!connection.isServer && !stream.isAnswered) {
      this.#fail(streamId, ErrorCode.protocolError, 'DATA before a response');
    } else if (flowBytes > stream.receiveWindow.available) {
      this.#fail(streamId, ErrorCode.flowControlError, 'peer overran the window');
    } else {
      stream.receiveWindow.receive(flowBytes);
      this.#current = stream;
    }
  }

  onData(streamId: number, buffer: Uint8Array, offset: number, length: number): void {
    // The stream may have been reset between two pieces of one frame.
    const stream = this.#current;
    if (stream === undefined || !stream.canReceive) return this.#connection.credit.releaseConnection(length);
    if (stream.expectedBytes >= 0) {
      if (length > stream.expectedBytes) {
        this.#connection.credit.releaseConnection(length);
        return this.#fail(streamId, ErrorCode.protocolError, 'more DATA than content-length says');
      }
      stream.expectedBytes -= length;
    }
    this.#connection.receiveBody(stream, buffer, offset, length);
  }

  onDataPadding(_streamId: number, bytes: number): void {
    if (this.#current === undefined) this.#connection.credit.releaseConnection(bytes);
    else this.#connection.credit.release(this.#current, bytes);
  }

  onDataEnd(_streamId: number): void {
    const stream = this.#current;
    if (stream !== undefined && stream.canReceive) this.#endRemote(stream, undefined);
  }

  onHeaderBlock(streamId: number, buffer: Uint8Array, offset: number, length: number, endStream: boolean): void {
    // Decoded whatever becomes of the stream, as the table must stay in step with the peer's.
    const list = new HeaderList();
    const listBytes = this.#hpack.decode(buffer, offset, length, list);
    const isTooLong = listBytes > this.#maxListBytes || hasMoreFields(list, this.#maxFields);
    if (isTooLong) this.#note('oversizeHeaders');
    const stream = this.#connection.streams.get(streamId);
    if (stream !== undefined) this.#onLaterHeaders(stream, list, isTooLong, endStream);
    else if (this.#connection.isServer) this.#onNewStream(streamId, list, isTooLong, endStream);
    else this.#onHeadersOfUnknown(streamId);
  }

  onPriority(_streamId: number): void {
    this.#note('ignoredFrame');
  }

  onReset(streamId: number, code: number): void {
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId, 'RST_STREAM');
      if (this.#resets?.has(streamId) !== true) this.#note('ignoredFrame');
      return;
    }
    if (this.#connection.isServer && !stream.isAnswered) this.#note('rapidReset');
    this.#connection.onPeerReset(stream, code);
  }

  onSetting(id: number, value: number): void {
    const connection = this.#connection;
    switch (id) {
      case SettingId.headerTableSize:
        connection.frames.setPeerTableSize(value);
        return;
      case SettingId.maxConcurrentStreams:
        connection.peerMaxStreams = value;
        return;
      case SettingId.maxFrameSize:
        connection.frames.peerMaxFrameBytes = value;
        return;
      case SettingId.initialWindowSize:
        connection.setPeerInitialWindow(value);
        return;
      case SettingId.enableConnectProtocol:
        connection.peerTakesExtendedConnect = value === 1;
        return;
      default:
    }
  }

  onSettingsEnd(): void {
    this.#note('settings');
    this.#connection.frames.settingsAck();
    this.#connection.onPeerSettings();
  }

  onSettingsAck(): void {
    this.#isLimitKnown = true;
    this.#note('settings');
  }

  onPing(ack: boolean, buffer: Uint8Array, offset: number): void {
    if (ack) {
      this.#connection.onPingAnswer(buffer, offset);
      return;
    }
    this.#note('ping');
    this.#connection.frames.ping(true, buffer, offset);
    this.#connection.schedule();
  }

  onGoAway(lastStreamId: number, code: number): void {
    this.#note('ignoredFrame');
    this.#connection.onPeerGoAway(lastStreamId, code);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const connection = this.#connection;
    const { sender } = connection;
    const streamsOpened = (connection.isServer ? this.lastPeerStreamId : connection.lastOwnStreamId) / 2;
    this.#abuse.noteWindowUpdate(sender.dataFramesSent + streamsOpened, sender.dataBytesSent);
    if (streamId === 0) {
      sender.window.increase(increment);
      connection.schedule();
      return;
    }
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId, 'WINDOW_UPDATE');
    } else if (stream.sendWindow.available + increment > maxInt31) {
      this.#fail(streamId, ErrorCode.flowControlError, 'window over 2^31 - 1');
    } else {
      stream.sendWindow.increase(increment);
      connection.onStreamWindow(stream);
    }
  }

  onStreamError(error: Http2Error): void {
    this.#checkNotIdle(error.streamId, 'frame');
    this.#fail(error.streamId, error.code, error.message);
  }

  onUnknownFrame(_type: number): void {
    this.#note('ignoredFrame');
  }

  #onNewStream(streamId: number, list: HeaderList, isTooLong: boolean, endStream: boolean): void {
    const connection = this.#connection;
    if (streamId % 2 === 0) throw new Http2Error(ErrorCode.protocolError, 'client used an even stream id');
    if (streamId <= this.lastPeerStreamId) {
      if (this.#resets?.has(streamId) === true) return;
      throw new Http2Error(ErrorCode.streamClosed, 'HEADERS on a closed stream');
    }
    this.lastPeerStreamId = streamId;
    if (streamId > this.acceptBelow) return this.#fail(streamId, ErrorCode.refusedStream, 'after GOAWAY');
    if (connection.streams.size >= connection.settings.maxStreams) return this.#refuse(streamId);
    const problem = connection.acceptStream(streamId, list, isTooLong, endStream);
    if (problem !== undefined) this.#fail(streamId, ErrorCode.protocolError, problem);
  }

  /** One stream too many. A client that could not know the limit yet is forgiven for a while. */
  #refuse(streamId: number): void {
    if (!this.#isLimitKnown && this.#earlyRefusals < maxEarlyRefusals) {
      this.#earlyRefusals += 1;
      this.rememberReset(streamId);
      this.#connection.frames.reset(streamId, ErrorCode.refusedStream);
      this.#connection.schedule();
    } else {
      this.#fail(streamId, ErrorCode.refusedStream, 'too many streams');
    }
  }

  #onLaterHeaders(stream: Http2Stream, list: HeaderList, isTooLong: boolean, endStream: boolean): void {
    if (!stream.canReceive) return this.#fail(stream.id, ErrorCode.streamClosed, 'HEADERS after the end of a stream');
    if (isTooLong) return this.#fail(stream.id, ErrorCode.enhanceYourCalm, 'header list too long');
    if (!this.#connection.isServer && !stream.isAnswered) return this.#onResponse(stream, list, endStream);
    if (!endStream || trailersProblem(list) !== undefined) {
      return this.#fail(stream.id, ErrorCode.protocolError, 'malformed trailers');
    }
    this.#endRemote(stream, list);
  }

  #onResponse(stream: Http2Stream, list: HeaderList, endStream: boolean): void {
    const isInterim = list.status?.charCodeAt(0) === 0x31;
    if (isInterim) this.#note('ignoredFrame');
    else stream.isAnswered = true;
    if (isInterim && endStream)
      return this.#fail(stream.id, ErrorCode.protocolError, 'informational response as the end');
    if (stream.user?.onHead(list, endStream) === false) {
      return this.#fail(stream.id, ErrorCode.protocolError, 'malformed response');
    }
    if (endStream && stream.canReceive) this.#endRemote(stream, undefined);
  }

  #onHeadersOfUnknown(streamId: number): void {
    this.#checkNotIdle(streamId, 'HEADERS');
    if (this.#resets?.has(streamId) === true) return;
    throw new Http2Error(ErrorCode.streamClosed, 'HEADERS on a closed stream');
  }

  #endRemote(stream: Http2Stream, trailers: HeaderList | undefined): void {
    if (stream.expectedBytes > 0) {
      return this.#fail(stream.id, ErrorCode.protocolError, 'less DATA than content-length says');
    }
    this.#connection.receiveEnd(stream, trailers === undefined ? undefined : trailersOf(trailers));
  }

  /** A stream that was never opened is a connection error for everything but HEADERS and PRIORITY. */
  #checkNotIdle(streamId: number, frame: string): void {
    const last = this.#connection.isServer ? this.lastPeerStreamId : this.#connection.lastOwnStreamId;
    if (streamId > last || (streamId & 1) === 0) {
      throw new Http2Error(ErrorCode.protocolError, `${frame} on an idle stream`);
    }
  }

  /** The peer made us reset a stream. */
  #fail(streamId: number, code: number, detail: string): void {
    this.#note('causedReset');
    const stream = this.#connection.streams.get(streamId);
    if (stream !== undefined) {
      this.#connection.failStream(stream, code, detail);
    } else {
      this.rememberReset(streamId);
      this.#connection.frames.reset(streamId, code);
      this.#connection.schedule();
    }
  }

  #note(kind: Parameters<Http2AbuseMeter['note']>[0]): void {
    this.#abuse.note(kind, this.#connection.loop.nowMs);
  }
}

/** Crumbs of a cookie are one field. */
function hasMoreFields(list: HeaderList, maxFields: number): boolean {
  const { fields } = list;
  if (fields.length <= maxFields * 2) return false;
  let count = 0;
  for (let i = 0; i < fields.length; i += 2) if (fields[i] !== 'cookie') count += 1;
  return count > maxFields;
}

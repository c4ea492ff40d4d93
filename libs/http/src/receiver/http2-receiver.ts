import { FrameDecoder } from '../frame-decoder.ts';
import type { FrameSink } from '../frame-sink.ts';
import { defaultWindowBytes, ErrorCode, maxInt31, SettingId } from '../frame-type.ts';
import { HeaderList, trailersProblem } from '../header-list.ts';
import { HpackDecoder } from '../hpack-decoder.ts';
import { type AbuseKind, Http2AbuseMeter, type Http2AbuseLimits } from '../http2-abuse-meter.ts';
import { Http2Error } from '../http2-error.ts';
import type { ReceivedStream, ReceivingConnection } from './receiving-connection.ts';
import { RecentResets } from './recent-resets.ts';

export interface Http2ReceiverLimits {
  /** SETTINGS_MAX_FRAME_SIZE that we advertised. */
  readonly maxFrameBytes: number;
  readonly maxHeaderListBytes: number;
  /** Fields of a header list; the crumbs of a cookie are none. */
  readonly maxFields: number;
  /** Streams that the peer may have open (server). */
  readonly maxStreams: number;
  readonly abuse: Http2AbuseLimits;
}

/**
 * The receiving half of an HTTP/2 connection: what each frame means to every user of HTTP/2, and what it costs a peer that
 * sends too many of them. What a message is, a subclass says: the meaning of HEADERS, of the bytes of DATA and of the end of
 * a stream. It is a base class and no object beside one, so that a frame costs no further call.
 *
 * Connection errors are thrown as Http2Error through the decoder to the connection; stream errors end here.
 * Spec: RFC 9113 sections 5.1, 6, 8.
 */
export abstract class Http2Receiver<
  Stream extends ReceivedStream,
  Connection extends ReceivingConnection<Stream>,
> implements FrameSink {
  protected readonly connection: Connection;
  /** Whose DATA comes; undefined: of a stream that is not to have it. */
  protected current: Stream | undefined;
  readonly #limits: Http2ReceiverLimits;
  readonly #maxEarlyRefusals: number;
  readonly #decoder: FrameDecoder;
  readonly #hpack: HpackDecoder;
  readonly #abuse: Http2AbuseMeter;
  #resets: RecentResets | undefined;
  /** The peer has acknowledged our SETTINGS, which tell how many streams it may open. */
  #isLimitKnown = false;
  #earlyRefusals = 0;
  /** Highest stream id the peer opened (server). */
  lastPeerStreamId = 0;
  /** New streams above this id are refused (server, draining). */
  acceptBelow: number = maxInt31;
  /** What a stream that is opened now may send. */
  peerInitialWindow: number = defaultWindowBytes;

  /** `maxEarlyRefusals`: streams over the limit that a client may open before it has acknowledged our SETTINGS. */
  constructor(connection: Connection, limits: Http2ReceiverLimits, maxEarlyRefusals: number) {
    this.connection = connection;
    this.#limits = limits;
    this.#maxEarlyRefusals = maxEarlyRefusals;
    this.#decoder = new FrameDecoder(connection.isServer ? 'server' : 'client', this, {
      maxFrameBytes: limits.maxFrameBytes,
      // Twice the list: one a little over the limit is answered with 431 and not with the end of the connection.
      maxHeaderBlockBytes: limits.maxHeaderListBytes * 2,
      maxContinuationFrames: 16,
      maxSettingsEntries: 64,
    });
    this.#hpack = new HpackDecoder(limits.maxHeaderListBytes);
    this.#abuse = new Http2AbuseMeter(limits.abuse);
  }

  // --- what a message is

  /** Bytes of `current`, which may have been reset between two pieces of one frame. */
  abstract onData(streamId: number, buffer: Uint8Array, offset: number, length: number): void;
  /** Bytes that nobody takes are credit for the peer again; without a stream, on the connection alone. */
  protected abstract release(stream: Stream | undefined, bytes: number): void;
  /** Server: a new stream. Returns why it is no request, or undefined. */
  protected abstract acceptStream(
    streamId: number,
    list: HeaderList,
    isTooLong: boolean,
    endStream: boolean,
  ): string | undefined;
  /** Client: a header list of a stream that has not been answered. */
  protected abstract takeResponse(stream: Stream, list: HeaderList, endStream: boolean): void;
  /** The peer ended its direction, which was open. */
  protected abstract endRemote(stream: Stream, trailers: HeaderList | undefined): void;

  // --- called by the connection

  get hasSettings(): boolean {
    return !this.#decoder.awaitsPreface;
  }

  /** @throws Http2Error on a connection error. */
  push(buffer: Uint8Array, offset: number, length: number): void {
    this.#decoder.push(buffer, offset, length);
  }

  stop(): void {
    this.#decoder.stop();
  }

  /** We reset this stream; frames that are under way to it are expected. */
  rememberReset(streamId: number): void {
    this.#resets ??= new RecentResets();
    this.#resets.add(streamId);
  }

  // --- called by the decoder

  onDataFrame(streamId: number, flowBytes: number, endStream: boolean): void {
    const { connection } = this;
    this.current = undefined;
    connection.receiveWindow.receive(flowBytes);
    if (flowBytes === 0 && !endStream) this.note('emptyData');
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId, 'DATA');
      if (this.#resets?.has(streamId) !== true) this.fail(streamId, ErrorCode.streamClosed, 'DATA on a closed stream');
    } else if (!stream.canReceive) {
      this.fail(streamId, ErrorCode.streamClosed, 'DATA after the end of a stream');
    } else if (!connection.isServer && !stream.isAnswered) {
      this.fail(streamId, ErrorCode.protocolError, 'DATA before a response');
    } else if (flowBytes > stream.receiveWindow.available) {
      this.fail(streamId, ErrorCode.flowControlError, 'peer overran the window');
    } else {
      stream.receiveWindow.receive(flowBytes);
      this.current = stream;
    }
  }

  onDataPadding(_streamId: number, bytes: number): void {
    this.release(this.current, bytes);
  }

  onDataEnd(_streamId: number): void {
    const stream = this.current;
    if (stream !== undefined && stream.canReceive) this.endRemote(stream, undefined);
  }

  onHeaderBlock(streamId: number, buffer: Uint8Array, offset: number, length: number, endStream: boolean): void {
    // Decoded whatever becomes of the stream, as the table must stay in step with the peer's.
    const list = new HeaderList();
    const listBytes = this.#hpack.decode(buffer, offset, length, list);
    const isTooLong = listBytes > this.#limits.maxHeaderListBytes || hasMoreFields(list, this.#limits.maxFields);
    if (isTooLong) this.note('oversizeHeaders');
    const stream = this.connection.streams.get(streamId);
    if (stream !== undefined) this.#onLaterHeaders(stream, list, isTooLong, endStream);
    else if (this.connection.isServer) this.#onNewStream(streamId, list, isTooLong, endStream);
    else this.#onHeadersOfUnknown(streamId);
  }

  onPriority(_streamId: number): void {
    this.note('ignoredFrame');
  }

  onReset(streamId: number, code: number): void {
    const stream = this.connection.streams.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId, 'RST_STREAM');
      if (this.#resets?.has(streamId) !== true) this.note('ignoredFrame');
      return;
    }
    if (this.connection.isServer && !stream.isAnswered) this.note('rapidReset');
    this.connection.onPeerReset(stream, code);
  }

  onSetting(id: number, value: number): void {
    const { connection } = this;
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
        this.#setPeerInitialWindow(value);
        return;
      default:
    }
  }

  onSettingsEnd(): void {
    this.note('settings');
    this.connection.frames.settingsAck();
    this.connection.onPeerSettings();
  }

  onSettingsAck(): void {
    this.#isLimitKnown = true;
    this.note('settings');
  }

  onPing(ack: boolean, buffer: Uint8Array, offset: number): void {
    if (ack) {
      this.connection.onPingAnswer(buffer, offset);
      return;
    }
    this.note('ping');
    this.connection.frames.ping(true, buffer, offset);
    this.connection.schedule();
  }

  onGoAway(lastStreamId: number, code: number): void {
    this.note('ignoredFrame');
    this.connection.onPeerGoAway(lastStreamId, code);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const { connection } = this;
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
      this.fail(streamId, ErrorCode.flowControlError, 'window over 2^31 - 1');
    } else {
      stream.sendWindow.increase(increment);
      connection.enqueue(stream);
    }
  }

  onStreamError(error: Http2Error): void {
    this.#checkNotIdle(error.streamId, 'frame');
    this.fail(error.streamId, error.code, error.message);
  }

  onUnknownFrame(_type: number): void {
    this.note('ignoredFrame');
  }

  // --- rules

  /** The peer made us reset a stream. */
  protected fail(streamId: number, code: number, detail: string): void {
    this.note('causedReset');
    const { connection } = this;
    const stream = connection.streams.get(streamId);
    if (stream !== undefined) {
      connection.failStream(stream, code, detail);
    } else {
      this.rememberReset(streamId);
      connection.frames.reset(streamId, code);
      connection.schedule();
    }
  }

  /** @throws Http2Error when the peer has done so too often. */
  protected note(kind: AbuseKind): void {
    this.#abuse.note(kind, this.connection.loop.nowMs);
  }

  #onNewStream(streamId: number, list: HeaderList, isTooLong: boolean, endStream: boolean): void {
    if (streamId % 2 === 0) throw new Http2Error(ErrorCode.protocolError, 'client used an even stream id');
    if (streamId <= this.lastPeerStreamId) {
      if (this.#resets?.has(streamId) === true) return;
      throw new Http2Error(ErrorCode.streamClosed, 'HEADERS on a closed stream');
    }
    this.lastPeerStreamId = streamId;
    if (streamId > this.acceptBelow) return this.fail(streamId, ErrorCode.refusedStream, 'after GOAWAY');
    if (this.connection.streams.size >= this.#limits.maxStreams) return this.#refuse(streamId);
    const problem = this.acceptStream(streamId, list, isTooLong, endStream);
    if (problem !== undefined) this.fail(streamId, ErrorCode.protocolError, problem);
  }

  /** One stream too many. A client that could not know the limit yet is forgiven for a while. */
  #refuse(streamId: number): void {
    if (!this.#isLimitKnown && this.#earlyRefusals < this.#maxEarlyRefusals) {
      this.#earlyRefusals += 1;
      this.rememberReset(streamId);
      this.connection.frames.reset(streamId, ErrorCode.refusedStream);
      this.connection.schedule();
    } else {
      this.fail(streamId, ErrorCode.refusedStream, 'too many streams');
    }
  }

  #onLaterHeaders(stream: Stream, list: HeaderList, isTooLong: boolean, endStream: boolean): void {
    if (!stream.canReceive) return this.fail(stream.id, ErrorCode.streamClosed, 'HEADERS after the end of a stream');
    if (isTooLong) return this.fail(stream.id, ErrorCode.enhanceYourCalm, 'header list too long');
    if (!this.connection.isServer && !stream.isAnswered) return this.takeResponse(stream, list, endStream);
    if (!endStream || trailersProblem(list) !== undefined) {
      return this.fail(stream.id, ErrorCode.protocolError, 'malformed trailers');
    }
    this.endRemote(stream, list);
  }

  #onHeadersOfUnknown(streamId: number): void {
    this.#checkNotIdle(streamId, 'HEADERS');
    if (this.#resets?.has(streamId) === true) return;
    throw new Http2Error(ErrorCode.streamClosed, 'HEADERS on a closed stream');
  }

  #setPeerInitialWindow(bytes: number): void {
    const delta = bytes - this.peerInitialWindow;
    this.peerInitialWindow = bytes;
    for (const stream of this.connection.streams.values()) {
      if (stream.sendWindow.available + delta > maxInt31) {
        throw new Http2Error(ErrorCode.flowControlError, 'initial window overflows a stream');
      }
      stream.sendWindow.increase(delta);
      if (delta > 0) this.connection.enqueue(stream);
    }
  }

  /** A stream that was never opened is a connection error for everything but HEADERS and PRIORITY. */
  #checkNotIdle(streamId: number, frame: string): void {
    const last = this.connection.isServer ? this.lastPeerStreamId : this.connection.lastOwnStreamId;
    if (streamId > last || (streamId & 1) === 0) {
      throw new Http2Error(ErrorCode.protocolError, `${frame} on an idle stream`);
    }
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

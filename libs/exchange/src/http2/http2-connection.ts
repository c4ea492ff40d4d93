import {
  ConnectionDrain,
  defaultWindowBytes,
  ErrorCode,
  errorCodeName,
  Http2Error,
  maxInt31,
  nextStreamState,
  ReceiveCredit,
  ReceiveWindow,
  type HeaderList,
  type ReceivingConnection,
  type StreamEvent,
} from '@ambit/http';
import {
  type ByteChannel,
  type ByteChannelUser,
  type EventLoop,
  Keepalive,
  type KeepaliveTarget,
  type NetError,
  type TurnEndTask,
} from '@ambit/net';

import { ConnectionEnd, type EndingConnection } from '../connection-end.ts';
import type { Http2Settings } from '../connection-settings.ts';
import { ExchangeError } from '../exchange-error.ts';
import type { FieldList } from '../field-list.ts';
import { ExchangeFrames } from './exchange-frames.ts';
import { ExchangeOutput } from './exchange-output.ts';
import { ExchangeReceiver } from './exchange-receiver.ts';
import { ExchangeSender } from './exchange-sender.ts';
import { writePreface } from './http2-preface.ts';
import type { Http2Side } from './http2-side.ts';
import { Http2Stream } from './http2-stream.ts';
import { ReadGate } from './read-gate.ts';
import { Untaken } from './untaken.ts';

/**
 * One HTTP/2 connection: streams, sending, the ways it ends. `ExchangeReceiver` says what the peer's frames mean, an `Http2Side`
 * what requests and responses are. Owns its channel. What is sent in a turn leaves with one write.
 */
export class Http2Connection
  implements ReceivingConnection<Http2Stream>, ByteChannelUser, TurnEndTask, EndingConnection, KeepaliveTarget
{
  readonly loop: EventLoop;
  readonly settings: Http2Settings;
  readonly isServer: boolean;
  readonly streams: Map<number, Http2Stream> = new Map();
  readonly receiveWindow: ReceiveWindow;
  readonly credit: ReceiveCredit<Http2Stream>;
  readonly frames: ExchangeFrames;
  readonly sender: ExchangeSender;
  /** Undefined until the peer says so. */
  peerMaxStreams: number | undefined;
  peerTakesExtendedConnect = false;
  lastOwnStreamId = 0;
  readonly #side: Http2Side;
  readonly #output: ExchangeOutput;
  readonly #receiver: ExchangeReceiver;
  readonly #untaken: Untaken;
  readonly #gate: ReadGate;
  readonly #end: ConnectionEnd;
  readonly #idleTimeoutMs: number;
  readonly #keepalive: Keepalive | undefined;
  readonly #drain: ConnectionDrain;
  #isScheduled = false;
  #hasChanged = false;
  #isPeerLeaving = false;

  constructor(
    channel: ByteChannel,
    side: Http2Side,
    loop: EventLoop,
    role: 'server' | 'client',
    settings: Http2Settings,
    timeouts: { readonly firstMs: number; readonly idleMs: number },
  ) {
    this.loop = loop;
    this.settings = settings;
    this.isServer = role === 'server';
    this.#side = side;
    this.#idleTimeoutMs = timeouts.idleMs;
    this.#output = new ExchangeOutput(channel);
    this.frames = new ExchangeFrames(this.#output);
    this.sender = new ExchangeSender(this.#output, this.frames, (stream) => this.#onSentEnd(stream));
    const bytes = settings.connectionWindowBytes;
    this.receiveWindow = new ReceiveWindow(0, bytes, defaultWindowBytes, bytes >> 4);
    this.#drain = new ConnectionDrain(this.frames);
    this.credit = new ReceiveCredit(this.receiveWindow, this.frames, () => this.schedule());
    this.#receiver = new ExchangeReceiver(this);
    this.#untaken = new Untaken(this.credit);
    this.#gate = new ReadGate(channel, this.#output);
    this.#end = new ConnectionEnd(this, channel, loop);
    this.#end.setTimeout(timeouts.firstMs);
    const { pingIntervalMs, pingTimeoutMs } = settings;
    if (pingIntervalMs > 0) this.#keepalive = new Keepalive(loop, this, pingIntervalMs, pingTimeoutMs);
    writePreface(this.frames, settings, this.isServer);
    this.credit.open();
    channel.attach(this);
    this.schedule();
  }

  get isOpen(): boolean {
    return this.#end.isOpen;
  }

  /** New streams may begin, as far as the peer has said. */
  get takesStreams(): boolean {
    return this.isOpen && !this.#isPeerLeaving && !this.#drain.hasBegun && this.lastOwnStreamId < maxInt31 - 1000;
  }

  // --- channel

  onBytes(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.isOpen) return;
    this.#keepalive?.onSignOfLife();
    try {
      this.#receiver.push(buffer, offset, length);
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      const kind = error.code === ErrorCode.enhanceYourCalm ? 'overload' : 'protocol';
      if (this.isOpen) this.#fail(new ExchangeError(kind, error.message), error.code);
    }
  }

  onEnd(): void {
    if (this.#end.onPeerEnd()) return;
    this.#end.lose(this.streams.size === 0 ? undefined : new ExchangeError('lost', 'the peer closed the connection'));
  }

  onWritable(): void {
    this.#output.isBlocked = false;
    this.schedule();
  }

  onLost(error: NetError): void {
    if (!this.#end.onChannelLost())
      this.#end.lose(this.streams.size === 0 ? undefined : new ExchangeError('lost', error.message));
  }

  // --- receiver

  acceptStream(streamId: number, list: HeaderList, isTooLong: boolean, isEnd: boolean): string | undefined {
    return this.#side.acceptStream(streamId, list, isTooLong, isEnd);
  }

  receiveBody(stream: Http2Stream, buffer: Uint8Array, offset: number, length: number): void {
    if (this.#untaken.mustWait(stream)) return stream.untaken.append(buffer, offset, length);
    stream.user?.onBody(buffer, offset, length);
    this.credit.release(stream, length);
  }

  receiveEnd(stream: Http2Stream, trailers: FieldList | undefined): void {
    this.advance(stream, 'receivedEnd');
    this.tellEnd(stream, trailers);
  }

  /** The peer's end of a stream, told to its user after what waits. */
  tellEnd(stream: Http2Stream, trailers: FieldList | undefined): void {
    if (this.#untaken.mustWait(stream)) {
      stream.hasUntakenEnd = true;
      stream.untakenTrailers = trailers;
    } else {
      stream.user?.onEnd(trailers);
    }
  }

  onPeerSettings(): void {
    this.#change();
  }

  onPingAnswer(opaque: Uint8Array, offset: number): void {
    if (!this.#drain.onPingAnswer(opaque, offset)) return;
    this.#receiver.acceptBelow = this.#receiver.lastPeerStreamId;
    if (this.streams.size === 0) return this.#sayGoodbye(undefined, ErrorCode.noError);
    this.frames.goAway(this.#receiver.lastPeerStreamId, ErrorCode.noError);
    this.schedule();
  }

  onPeerGoAway(lastStreamId: number, code: number): void {
    this.#isPeerLeaving = true;
    this.#change();
    if (this.isServer) return;
    const error = new ExchangeError('refused', `the peer goes away: ${errorCodeName(code)}`, { http2Code: code });
    for (const stream of this.streams.values()) if (stream.id > lastStreamId) this.#failLocally(stream, error);
    if (this.streams.size === 0 && this.isOpen) this.#sayGoodbye(undefined, ErrorCode.noError);
  }

  onPeerReset(stream: Http2Stream, code: number): void {
    const kind = code === ErrorCode.refusedStream ? 'refused' : 'reset';
    this.advance(stream, 'receivedReset');
    // The message is complete, and only the other direction is not wanted: what was not taken stays. Spec: RFC 9113 section 8.1.
    if (code === ErrorCode.noError && stream.hasUntakenEnd) return this.sender.drop(stream);
    this.#drop(stream);
    stream.user?.onFailed(new ExchangeError(kind, `stream reset: ${errorCodeName(code)}`, { http2Code: code }));
  }

  /** The peer broke a rule on this stream. */
  failStream(stream: Http2Stream, code: number, detail: string): void {
    const { user } = stream;
    this.reset(stream, code);
    user?.onFailed(new ExchangeError('protocol', detail));
  }

  /** A stream may send more. */
  enqueue(stream: Http2Stream): void {
    this.sender.enqueue(stream);
    this.schedule();
  }

  // --- exchanges

  addStream(id: number): Http2Stream {
    const stream = new Http2Stream(id, this.#receiver.peerInitialWindow, this.settings.streamWindowBytes);
    this.streams.set(id, stream);
    this.#end.clearTimeout();
    return stream;
  }

  /** Applies an event that is legal for the stream; forgets the stream when it ends. */
  advance(stream: Http2Stream, event: StreamEvent): void {
    stream.state = nextStreamState(stream.state, event) ?? 'closed';
    if (stream.state !== 'closed' || !this.streams.delete(stream.id)) return;
    this.#change();
  }

  /** A head was sent. */
  sentHead(stream: Http2Stream, isEnd: boolean): void {
    if (isEnd) this.#onSentEnd(stream);
    this.schedule();
  }

  write(stream: Http2Stream, buffer: Uint8Array, offset: number, length: number): boolean {
    if (!stream.canSend || stream.hasUnsentEnd || !this.isOpen || length === 0) return true;
    this.schedule();
    return this.sender.write(stream, buffer, offset, length);
  }

  end(stream: Http2Stream, trailers: FieldList | undefined): void {
    if (!stream.canSend || stream.hasUnsentEnd || !this.isOpen) return;
    this.schedule();
    this.sender.end(stream, trailers);
  }

  reset(stream: Http2Stream, code: number): void {
    this.#drop(stream);
    if (stream.state === 'closed' || !this.isOpen) return;
    this.#receiver.rememberReset(stream.id);
    this.frames.reset(stream.id, code);
    this.advance(stream, 'sentReset');
    this.schedule();
  }

  pause(stream: Http2Stream): void {
    stream.isPaused = true;
  }

  resume(stream: Http2Stream): void {
    stream.isPaused = false;
    if (this.#untaken.add(stream)) this.schedule();
  }

  sendPing(): void {
    this.frames.keepalivePing();
    this.schedule();
  }

  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.loop.atTurnEnd(this);
  }

  // --- endings

  /** No new streams; ends when the last one has. Of a server after a round trip. Spec: RFC 9113 section 6.8. */
  drain(): void {
    if (this.#drain.hasBegun || !this.isOpen) return;
    if (this.isServer) this.#drain.begin();
    else this.#drain.settle();
    this.#change();
  }

  /** Says GOAWAY and ends; a second call does not wait for the peer. */
  close(): void {
    const error = new ExchangeError('closed', 'connection closed by this side');
    if (this.isOpen) {
      this.#sayGoodbye(undefined, ErrorCode.noError);
      this.#end.failSoon(error);
    } else {
      this.#end.loseSoon(error);
    }
    this.schedule();
  }

  onPingTimeout(): void {
    if (this.isOpen) this.#end.lose(new ExchangeError('timeout', 'the peer did not answer PING in time'));
  }

  onTimeout(): void {
    if (this.streams.size === 0) this.#sayGoodbye(undefined, ErrorCode.noError);
  }

  onStopped(): void {
    this.#receiver.stop();
    this.#keepalive?.stop();
    this.#output.release();
    this.#gate.open();
  }

  failExchanges(error: ExchangeError): void {
    for (const stream of this.streams.values()) this.#failLocally(stream, error);
  }

  onEnded(error: ExchangeError | undefined): void {
    this.#side.onClosed(error);
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    this.#end.tellUntold();
    this.#untaken.deliver();
    if (this.isOpen) this.#pump();
    if (this.#end.isClosed || !this.#hasChanged) return;
    this.#hasChanged = false;
    if (this.isOpen && this.streams.size === 0) {
      if (this.#drain.isSettled || (this.#isPeerLeaving && !this.isServer)) {
        this.#sayGoodbye(undefined, ErrorCode.noError);
      } else {
        this.#end.setTimeout(this.#idleTimeoutMs);
      }
    }
    this.#side.onChange();
  }

  #onSentEnd(stream: Http2Stream): void {
    this.advance(stream, 'sentEnd');
    // The answer is complete; what the client still wants to send is of no use. Spec: RFC 9113 section 8.1.
    if (stream.dropsRest && stream.canReceive) this.reset(stream, ErrorCode.noError);
  }

  #change(): void {
    this.#hasChanged = true;
    this.schedule();
  }

  #pump(): void {
    const output = this.#output;
    this.sender.pump();
    if (output.isOverrun) {
      const error = new ExchangeError('overload', 'the peer does not read what it asked for');
      return this.#fail(error, ErrorCode.enhanceYourCalm);
    }
    if ((output.length > 0 || this.sender.hasWork) && !output.isBlocked) this.schedule();
    this.#gate.update();
  }

  #drop(stream: Http2Stream): void {
    this.sender.drop(stream);
    this.#untaken.drop(stream);
  }

  #failLocally(stream: Http2Stream, error: ExchangeError): void {
    stream.state = 'closed';
    this.streams.delete(stream.id);
    this.#drop(stream);
    stream.user?.onFailed(error);
  }

  #fail(error: ExchangeError, code: number): void {
    // What the peer is owed and does not read is not worth to be kept.
    if (this.#output.isOverrun) this.#output.discard();
    this.#sayGoodbye(error, code);
    this.failExchanges(error);
  }

  /** GOAWAY and the end; the peer reads it and closes. */
  #sayGoodbye(error: ExchangeError | undefined, code: number): void {
    this.frames.goAway(this.#receiver.lastPeerStreamId, code);
    this.#output.isBlocked = false;
    this.#output.flush();
    this.#end.sayGoodbye(error);
    this.#change();
  }
}

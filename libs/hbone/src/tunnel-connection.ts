import { ConnectionDrain, ErrorCode, errorCodeName, Http2Error, maxInt31, nextStreamState } from '@ambit/http';
import type { ReceiveWindow, ReceivingConnection, StreamEvent } from '@ambit/http';
import { EAGAIN, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, Keepalive } from '@ambit/net';
import type { EventLoop, Fd, IoHandler, KeepaliveTarget, TimerHandler, TurnEndTask } from '@ambit/net';

import type { ByteTransport } from './byte-transport.ts';
import { HboneError, revokedError } from './hbone-error.ts';
import type { HboneSettings } from './hbone-settings.ts';
import { threadBuffers } from './thread-buffers.ts';
import { StreamWindows } from './stream-windows.ts';
import { TunnelCredit } from './tunnel-credit.ts';
import { TunnelFrames } from './tunnel-frames.ts';
import { TunnelOutput } from './tunnel-output.ts';
import { writePreface } from './tunnel-preface.ts';
import type { TunnelOwner } from './tunnel-owner.ts';
import { TunnelReceiver } from './tunnel-receiver.ts';
import { TunnelSender } from './tunnel-sender.ts';
import { TunnelStream } from './tunnel-stream.ts';
import type { HeaderField, StreamCarrier, StreamUser } from './tunnel-stream.ts';

const readsPerTurn = 4;
const lingerMs = 1000;

/**
 * One HTTP/2 connection that carries tunnels: reading, sending, fairness, keepalive and the ways it ends. `TunnelReceiver`
 * interprets what comes. Runs on one EventLoop; owns its transport. Everything sent in a turn leaves in one write.
 */
export class TunnelConnection
  implements ReceivingConnection<TunnelStream>, StreamCarrier, IoHandler, TurnEndTask, KeepaliveTarget, TimerHandler
{
  readonly loop: EventLoop;
  readonly settings: HboneSettings;
  readonly isServer: boolean;
  readonly owner: TunnelOwner;
  readonly streams: Map<number, TunnelStream> = new Map();
  readonly receiveWindow: ReceiveWindow;
  readonly frames: TunnelFrames;
  readonly sender: TunnelSender;
  /** Undefined until the peer says so. */
  peerMaxStreams: number | undefined;
  lastOwnStreamId = 0;
  readonly #transport: ByteTransport;
  readonly #output: TunnelOutput;
  readonly #receiver: TunnelReceiver;
  readonly #keepalive: Keepalive;
  readonly #drain: ConnectionDrain;
  readonly #windows: StreamWindows;
  readonly #credit: TunnelCredit;
  #phase: 'open' | 'lingering' | 'closed' = 'open';
  #isScheduled = false;
  #hasMoreToRead = false;
  #isPeerLeaving = false;

  constructor(
    loop: EventLoop,
    transport: ByteTransport,
    role: 'server' | 'client',
    settings: HboneSettings,
    owner: TunnelOwner,
  ) {
    this.loop = loop;
    this.settings = settings;
    this.isServer = role === 'server';
    this.owner = owner;
    this.#windows = new StreamWindows(settings, this.isServer);
    this.receiveWindow = this.#windows.ofConnection();
    this.#transport = transport;
    this.#output = new TunnelOutput(transport);
    this.frames = new TunnelFrames(this.#output);
    this.sender = new TunnelSender(this.#output, this.frames);
    this.#credit = new TunnelCredit(this.receiveWindow, this.frames, this.#windows, () => this.schedule());
    this.#receiver = new TunnelReceiver(this);
    this.#drain = new ConnectionDrain(this.frames);
    this.#keepalive = new Keepalive(loop, this, settings.pingIntervalMs, settings.pingTimeoutMs);
    transport.attach(this);
    writePreface(this.frames, settings, this.#windows.initialBytes, this.isServer);
    this.#credit.open();
    // TLS may hold bytes that came with the handshake's last record, of which epoll knows nothing.
    this.#hasMoreToRead = true;
    this.schedule();
  }

  get isOpen(): boolean {
    return this.#phase === 'open';
  }

  /** May take new streams as far as the peer has said. */
  get takesStreams(): boolean {
    return this.isOpen && !this.#isPeerLeaving && this.lastOwnStreamId < maxInt31 - 1000;
  }

  // --- events of the loop

  onEvents(events: number): void {
    if (this.#phase === 'lingering') {
      if (!this.#transport.discard(threadBuffers().read) || (events & (EPOLLERR | EPOLLHUP)) !== 0) this.onTimer();
      return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#readAll();
    if ((events & EPOLLOUT) !== 0 && this.isOpen) this.schedule();
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    if (!this.isOpen) return;
    if (this.#hasMoreToRead) this.#readAll();
    if (this.isOpen) this.#pump();
  }

  /** End of lingering. */
  onTimer(): void {
    if (this.#phase !== 'lingering') return;
    this.#phase = 'closed';
    this.#transport.close();
  }

  sendPing(): void {
    this.frames.keepalivePing();
    this.schedule();
  }

  onPingTimeout(): void {
    this.close(new HboneError('KEEPALIVE_TIMEOUT', 'tunnel peer did not answer PING in time'));
  }

  // --- called by the receiver

  onPeerSettings(): void {
    this.schedule();
    this.owner.onSettings();
  }

  onPingAnswer(opaque: Uint8Array, offset: number): void {
    // An interval counts from the answer to its PING. Spec: data-plane 1.2.
    if (this.#keepalive.isWaiting) this.#keepalive.onSignOfLife();
    if (!this.#drain.onPingAnswer(opaque, offset)) return;
    this.#receiver.acceptBelow = this.#receiver.lastPeerStreamId;
    this.frames.goAway(this.#receiver.lastPeerStreamId, ErrorCode.noError);
    this.schedule();
    if (this.streams.size === 0) this.close(undefined);
  }

  onPeerGoAway(lastStreamId: number, code: number): void {
    this.#isPeerLeaving = true;
    this.owner.onGoAway();
    for (const stream of this.streams.values()) {
      if (this.isServer || stream.id <= lastStreamId) continue;
      const text = `tunnel peer goes away before the request (${errorCodeName(code)})`;
      this.#loseStream(
        stream,
        new HboneError('HTTP2_FAILED', text, { retryable: true, details: { isUnprocessed: true } }),
      );
    }
    if (this.streams.size === 0) this.owner.onIdle();
  }

  onPeerReset(stream: TunnelStream, code: number): void {
    stream.resetCode = code;
    this.advance(stream, 'receivedReset');
    stream.user?.onReset(code);
  }

  /** The peer broke a rule on this stream. */
  failStream(stream: TunnelStream, code: number): void {
    stream.resetCode = code;
    this.reset(stream, code);
    stream.user?.onReset(code);
  }

  addStream(id: number): TunnelStream {
    const stream = new TunnelStream(this, id, this.#receiver.peerInitialWindow, this.#windows.initialBytes);
    stream.state = 'open';
    this.streams.set(id, stream);
    return stream;
  }

  /** Applies an event that is legal for the stream; forgets the stream when it ends. */
  advance(stream: TunnelStream, event: StreamEvent): void {
    stream.state = nextStreamState(stream.state, event) ?? 'closed';
    if (stream.state !== 'closed' || !this.streams.delete(stream.id)) return;
    this.#windows.giveBack(stream.receiveWindow);
    if (this.streams.size === 0) this.#onNoStreams();
  }

  // --- called by streams

  /** Client: opens a stream. @throws RangeError for an illegal header. */
  request(pseudo: readonly HeaderField[], headers: readonly HeaderField[], user: StreamUser): TunnelStream {
    const id = this.lastOwnStreamId === 0 ? 1 : this.lastOwnStreamId + 2;
    this.frames.headers(id, pseudo, headers, false);
    this.lastOwnStreamId = id;
    const stream = this.addStream(id);
    stream.user = user;
    this.schedule();
    return stream;
  }

  respond(stream: TunnelStream, status: number, headers: readonly HeaderField[], endStream: boolean): void {
    if (!stream.canSend || stream.isAnswered || !this.isOpen) return;
    try {
      this.frames.headers(stream.id, [[':status', String(status)]], headers, endStream);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.reset(stream, ErrorCode.internalError);
    }
    stream.isAnswered = true;
    this.schedule();
    if (!endStream) return;
    const isHalfOpen = stream.canReceive;
    this.advance(stream, 'sentEnd');
    // The answer is complete; what the client still wants to send is of no use. Spec: RFC 9113 section 8.1.
    if (isHalfOpen) this.reset(stream, ErrorCode.noError);
    stream.dropPending();
  }

  enqueue(stream: TunnelStream): void {
    this.sender.enqueue(stream);
    this.schedule();
  }

  schedule(): void {
    if (this.#isScheduled || !this.isOpen) return;
    this.#isScheduled = true;
    this.loop.atTurnEnd(this);
  }

  release(stream: TunnelStream, bytes: number): void {
    if (this.isOpen) this.#credit.release(stream, bytes);
  }

  releaseConnection(bytes: number): void {
    if (this.isOpen) this.#credit.releaseConnection(bytes);
  }

  readInto(stream: TunnelStream, fd: Fd): number {
    return this.sender.readInto(stream, fd);
  }

  copyInto(stream: TunnelStream, buffer: Uint8Array, offset: number, length: number): number {
    return this.isOpen && stream.canSend ? this.sender.copyInto(stream, buffer, offset, length) : 0;
  }

  get lastRoom(): number {
    return this.sender.lastRoom;
  }

  sendEnd(stream: TunnelStream): void {
    if (!stream.canSend || !this.isOpen) return;
    this.frames.endStream(stream.id);
    this.schedule();
    this.advance(stream, 'sentEnd');
  }

  reset(stream: TunnelStream, code: number): void {
    if (stream.state === 'closed' || !this.isOpen) return;
    this.#receiver.rememberReset(stream.id);
    this.frames.reset(stream.id, code);
    this.schedule();
    this.advance(stream, 'sentReset');
    stream.dropPending();
  }

  /** Server: no new streams after a round trip, closes when the last one has ended. Spec: RFC 9113 section 6.8. */
  drain(): void {
    if (this.#drain.hasBegun || !this.isOpen) return;
    this.#drain.begin();
    this.schedule();
  }

  /** Ends the connection now: GOAWAY, then the end of the transport, after a short wait for the peer to read it. */
  close(error: HboneError | undefined, code: number = ErrorCode.noError): void {
    if (!this.isOpen) return;
    this.frames.goAway(this.#receiver.lastPeerStreamId, code);
    this.#output.flush();
    this.#finish(error, 'lingering');
    this.#transport.end();
    this.#transport.wait(true, false);
    this.loop.setTimer(lingerMs, this);
  }

  /** Ends the connection when its peer's certificate has been revoked since; true if so. */
  closeIfRevoked(): boolean {
    if (!this.isOpen || !this.#transport.isPeerRevoked()) return false;
    this.close(revokedError());
    return true;
  }

  #finish(error: HboneError | undefined, phase: 'lingering' | 'closed'): void {
    this.#phase = phase;
    this.#receiver.stop();
    this.#keepalive.stop();
    this.#output.release();
    const loss = error ?? new HboneError('CLOSED', 'connection closed due to connection drain', { source: 'internal' });
    for (const stream of this.streams.values()) this.#loseStream(stream, loss);
    this.streams.clear();
    this.owner.onClosed(error);
  }

  #lose(error: HboneError | undefined): void {
    if (!this.isOpen) return;
    this.#finish(error, 'closed');
    this.#transport.close();
  }

  #loseStream(stream: TunnelStream, error: HboneError): void {
    stream.lost = error;
    stream.state = 'closed';
    this.streams.delete(stream.id);
    stream.user?.onLost(error);
  }

  #onNoStreams(): void {
    if (!this.isOpen) return;
    if (this.#drain.isSettled) this.close(undefined);
    else this.owner.onIdle();
  }

  #readAll(): void {
    const buffer = threadBuffers().read;
    this.#hasMoreToRead = false;
    try {
      for (let i = 0; i < readsPerTurn; i++) {
        const got = this.#transport.read(buffer, 0, buffer.length);
        if (got === -EAGAIN) return;
        if (got <= 0) return this.#onReadEnd(got);
        this.#receiver.push(buffer, 0, got);
        if (!this.isOpen || got < buffer.length) return;
      }
    } catch (error) {
      return this.#onProtocolError(error);
    }
    this.#hasMoreToRead = true;
    this.schedule();
  }

  #onReadEnd(result: number): void {
    // Without streams nothing is lost: the peer closed what it no longer needs.
    if (result === 0 && this.streams.size === 0 && this.#receiver.hasSettings) return this.#lose(undefined);
    const text = result === 0 ? 'tunnel peer closed the connection' : this.#transport.failure(result);
    const isEarly = !this.#receiver.hasSettings;
    if (isEarly) this.#lose(new HboneError('HTTP2_FAILED', `http2 handshake failed: ${text}`, { retryable: true }));
    else this.#lose(new HboneError('TUNNEL_LOST', text, { retryable: true }));
  }

  #onProtocolError(error: unknown): void {
    if (!(error instanceof Http2Error)) throw error;
    const code = error.code === ErrorCode.enhanceYourCalm ? 'ABUSE' : 'HTTP2_FAILED';
    const text = this.#receiver.hasSettings
      ? `h2 failed: ${error.message}`
      : `http2 handshake failed: ${error.message}`;
    this.close(new HboneError(code, text, { cause: error, details: { h2Code: error.code } }), error.code);
  }

  #pump(): void {
    if (!this.sender.pump()) return this.#lose(new HboneError('TUNNEL_LOST', 'write to the tunnel failed'));
    if (this.#output.isOverrun) {
      const text = 'h2 failed: peer does not read what it asked for';
      return this.close(new HboneError('ABUSE', text), ErrorCode.enhanceYourCalm);
    }
    if (!this.isOpen) return;
    this.#transport.wait(true, this.#output.isBlocked);
    if (this.sender.hasWork) this.schedule();
  }
}

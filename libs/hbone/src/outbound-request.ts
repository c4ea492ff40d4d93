import { ErrorCode, errorCodeName } from '@ambit/http';
import type { HeaderList } from '@ambit/http';
import type { ByteChannel, EventLoop, Fd } from '@ambit/net';

import type { Bridge, BridgeOptions, BridgeSink } from './bridge.ts';
import { HboneError, statusError } from './hbone-error.ts';
import { StreamBridge } from './stream-bridge.ts';
import { StreamChannel } from './stream-channel.ts';
import { NO_WINDOW } from './tunnel-sender.ts';
import type { TunnelConnection } from './tunnel-connection.ts';
import type { HeaderField, StreamUser, TunnelStream } from './tunnel-stream.ts';

/** A CONNECT request. */
export interface ConnectRequest {
  readonly authority: string;
  readonly headers: readonly HeaderField[];
  /** With the setting `sendBeforeResponse`: the application's socket, read once right after the request was sent. */
  readonly earlyFd?: Fd;
}

/** Told once how a request ended: with a stream for a 200, with an error for everything else. */
export interface ConnectCallback {
  onConnected(stream: OutboundStream): void;
  onError(error: HboneError): void;
}

/** A tunnel that the peer accepted. The receiver bridges or resets it at once, in the callback or soon after. */
export class OutboundStream {
  /** Always 200: other answers are errors. */
  readonly status: number = 200;
  readonly #loop: EventLoop;
  readonly #stream: TunnelStream;
  readonly #head: HeaderList;
  readonly #earlyBytes: number;

  constructor(loop: EventLoop, stream: TunnelStream, head: HeaderList, earlyBytes: number) {
    this.#loop = loop;
    this.#stream = stream;
    this.#head = head;
    this.#earlyBytes = earlyBytes;
  }

  /** First value of a response header, by lower-case name. */
  responseHeader(name: string): string | undefined {
    return this.#head.get(name);
  }

  /** Starts copying; takes `fd` over, whatever has become of the stream. */
  bridge(fd: Fd, sink: BridgeSink, options: BridgeOptions = {}): Bridge {
    return new StreamBridge(this.#loop, this.#stream, fd, sink, { bytesAlreadySent: this.#earlyBytes, ...options });
  }

  /** The stream as a channel, instead of `bridge`. */
  channel(): ByteChannel {
    return new StreamChannel(this.#loop, this.#stream);
  }

  reset(code: number = ErrorCode.cancel): void {
    this.#stream.reset(code);
  }
}

/** A request on its stream, until it is answered. */
export class OutboundRequest implements StreamUser {
  readonly #loop: EventLoop;
  readonly #callback: ConnectCallback;
  readonly #stream: TunnelStream;
  #earlyBytes = 0;
  #earlyFd: Fd;
  #isDone = false;

  /** Sends the request. @throws RangeError for an illegal authority or header; nothing is sent then. */
  constructor(loop: EventLoop, connection: TunnelConnection, request: ConnectRequest, callback: ConnectCallback) {
    this.#loop = loop;
    this.#callback = callback;
    const pseudo: readonly HeaderField[] = [
      [':method', 'CONNECT'],
      [':authority', request.authority],
    ];
    this.#stream = connection.request(pseudo, request.headers, this);
    this.#earlyFd = connection.settings.sendBeforeResponse ? (request.earlyFd ?? -1) : -1;
    if (this.#earlyFd >= 0) connection.enqueue(this.#stream);
  }

  /** Gives up without telling. */
  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#stream.reset(ErrorCode.cancel);
  }

  onHead(head: HeaderList): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const status = Number(head.status);
    if (status === 200) {
      this.#callback.onConnected(new OutboundStream(this.#loop, this.#stream, head, this.#earlyBytes));
      return;
    }
    this.#stream.reset(ErrorCode.cancel);
    this.#callback.onError(statusError(status));
  }

  onData(): number {
    return 0;
  }

  onEnd(): void {
    // With the head at the latest, which is reported first.
  }

  onReset(code: number): void {
    const isRefused = code === ErrorCode.refusedStream;
    this.#fail(
      new HboneError('STREAM_RESET', `h2 failed: stream reset by peer: ${errorCodeName(code)}`, {
        retryable: isRefused,
        details: { h2Code: code, isUnprocessed: isRefused },
      }),
    );
  }

  onLost(error: HboneError): void {
    // An ordinary end of the connection is no ordinary end of a request.
    const text = error.code === 'TUNNEL_LOST' ? `h2 failed: ${error.message}` : error.message;
    this.#fail(error.code === 'TUNNEL_LOST' ? new HboneError('HTTP2_FAILED', text, { retryable: true }) : error);
  }

  /** The application's first bytes, once. */
  fill(): boolean {
    const fd = this.#earlyFd;
    if (fd < 0 || this.#isDone || !this.#stream.canSend) return false;
    const got = this.#stream.connection.readInto(this.#stream, fd);
    if (got === NO_WINDOW) return false;
    this.#earlyFd = -1;
    if (got > 0) this.#earlyBytes = got;
    return false;
  }

  #fail(error: HboneError): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#callback.onError(error);
  }
}

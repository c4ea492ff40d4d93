import { ErrorCode } from '@ambit/http';
import type { HeaderList } from '@ambit/http';
import type { ByteChannel, EventLoop, Fd } from '@ambit/net';

import type { Bridge, BridgeOptions, BridgeSink } from './bridge.ts';
import type { HboneError } from './hbone-error.ts';
import type { HboneServerConnection } from './hbone-server-connection.ts';
import { StreamBridge } from './stream-bridge.ts';
import { StreamChannel } from './stream-channel.ts';
import type { HeaderField, StreamUser, TunnelStream } from './tunnel-stream.ts';

/**
 * A request on a server connection, until it is answered with an error, reset, or bridged. Any method comes here; the
 * handler answers what is not CONNECT with 400.
 */
export class InboundStream implements StreamUser {
  readonly connection: HboneServerConnection;
  readonly method: string;
  readonly authority: string;
  /** Called when the peer gave the request up, or its connection is gone, before `bridge`. */
  onCancelled: (() => void) | undefined;
  readonly #loop: EventLoop;
  readonly #stream: TunnelStream;
  readonly #head: HeaderList;

  constructor(loop: EventLoop, connection: HboneServerConnection, stream: TunnelStream, head: HeaderList) {
    this.#loop = loop;
    this.connection = connection;
    this.#stream = stream;
    this.#head = head;
    this.method = head.method ?? '';
    this.authority = head.authority ?? '';
    stream.user = this;
  }

  /** First value of a header, by lower-case name. */
  header(name: string): string | undefined {
    return this.#head.get(name);
  }

  /** False after a reset, or when the connection is gone. */
  get isAlive(): boolean {
    return this.#stream.lost === undefined && this.#stream.state !== 'closed';
  }

  /**
   * Sends the head of the answer; once. Any status but 200 ends the stream unless `endStream` says otherwise.
   * An illegal header ends the stream with INTERNAL_ERROR instead.
   */
  respond(status: number, headers: readonly HeaderField[] = [], endStream: boolean = status !== 200): void {
    this.#stream.connection.respond(this.#stream, status, headers, endStream);
  }

  /** Starts copying; takes `fd` over, whatever has become of the stream. After `respond(200)`. */
  bridge(fd: Fd, sink: BridgeSink, options: BridgeOptions = {}): Bridge {
    this.onCancelled = undefined;
    return new StreamBridge(this.#loop, this.#stream, fd, sink, options);
  }

  /** The stream as a channel, instead of `bridge`. After `respond(200)`. */
  channel(): ByteChannel {
    this.onCancelled = undefined;
    return new StreamChannel(this.#loop, this.#stream);
  }

  reset(code: number = ErrorCode.cancel): void {
    this.onCancelled = undefined;
    this.#stream.reset(code);
  }

  onHead(): void {
    // Servers get requests only.
  }

  onData(): number {
    return 0;
  }

  onEnd(): void {
    // Seen by the bridge.
  }

  onReset(_code: number): void {
    this.#cancel();
  }

  onLost(_error: HboneError): void {
    this.#cancel();
  }

  fill(): boolean {
    return false;
  }

  #cancel(): void {
    this.#stream.dropPending();
    const { onCancelled } = this;
    this.onCancelled = undefined;
    onCancelled?.();
  }
}

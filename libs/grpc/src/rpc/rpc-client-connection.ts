/** One connection of an `RpcChannel`, from the moment it is asked for to its end. */
import {
  type ClientConnectionOwner,
  type ClientConnectionSettings,
  defaultClientConnectionSettings,
  type ExchangeError,
  Http2ClientConnection,
} from '@ambit/exchange';
import type { ByteChannel, EventLoop } from '@ambit/net';
import { GrpcError } from '../grpc-error.ts';
import type { RpcClientCall } from './rpc-client-call.ts';
import { ServerLink, type ServerRoute } from './server-link.ts';

/** What its channel hears. */
export interface ConnectionListener {
  onConnected(): void;
  /** It never came to be. */
  onFailed(error: GrpcError): void;
  /** The last thing, whatever went before. */
  onEnded(connection: RpcClientConnection): void;
}

const WINDOW_BYTES = 4 * 1024 * 1024;
/**
 * As Istio's node proxy: PING after 30 s of silence, 10 s to answer. Servers written with Go's library end connections that are
 * pinged without a call: before the first such PING the connection ends by itself.
 */
const SETTINGS: ClientConnectionSettings = {
  ...defaultClientConnectionSettings,
  idleTimeoutMs: 25_000,
  http2: {
    ...defaultClientConnectionSettings.http2,
    streamWindowBytes: WINDOW_BYTES,
    connectionWindowBytes: WINDOW_BYTES,
    pingIntervalMs: 30_000,
    pingTimeoutMs: 10_000,
  },
};
/** Calls that wait for the connection, or for the server to take more at once. */
const MAX_WAITING = 1_000;

export class RpcClientConnection implements ClientConnectionOwner {
  readonly #loop: EventLoop;
  readonly #listener: ConnectionListener;
  readonly #link: ServerLink;
  #connection: Http2ClientConnection | undefined;
  #waiting: RpcClientCall[] = [];
  #isRetired = false;
  #isEnded = false;

  constructor(loop: EventLoop, route: ServerRoute, listener: ConnectionListener) {
    this.#loop = loop;
    this.#listener = listener;
    this.#link = new ServerLink(loop, route, (outcome) => this.#onOutcome(outcome));
  }

  /** It can be given calls. */
  get takesCalls(): boolean {
    return !this.#isRetired && !this.#isEnded && this.#connection?.isDone !== true;
  }

  /** Begins the call as soon as it can be. */
  take(call: RpcClientCall): void {
    if (this.#waiting.length >= MAX_WAITING) {
      return call.fail(new GrpcError('RESOURCE_EXHAUSTED', 'too many calls wait for the server'));
    }
    this.#waiting.push(call);
    this.#beginWaiting();
  }

  /** A call of this connection is over: what waits for nobody any more is let go. */
  onCallOver(): void {
    this.#waiting = this.#waiting.filter((call) => !call.isOver);
    this.#leaveIfUnused();
  }

  /** No further calls; ends when its last one has. */
  retire(): void {
    this.#isRetired = true;
    this.#leaveIfUnused();
  }

  // --- of the connection

  onCapacity(): void {
    this.#beginWaiting();
    if (this.#connection?.isDone === true) this.#refuseWaiting();
    this.#leaveIfUnused();
  }

  onClosed(error: ExchangeError | undefined): void {
    this.#end(new GrpcError('UNAVAILABLE', error?.message ?? 'the connection has ended'));
  }

  #onOutcome(outcome: ByteChannel | string): void {
    if (typeof outcome === 'string') {
      const error = new GrpcError('UNAVAILABLE', outcome);
      this.#listener.onFailed(error);
      return this.#end(error);
    }
    this.#connection = new Http2ClientConnection(outcome, this, this.#loop, SETTINGS);
    this.#listener.onConnected();
    this.#beginWaiting();
    this.#leaveIfUnused();
  }

  #beginWaiting(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    while (connection.capacity > 0) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      call.begin(connection);
    }
  }

  /** The server goes away: what has not begun may begin elsewhere. */
  #refuseWaiting(): void {
    for (const call of this.#waiting.splice(0)) {
      call.wasRefused = true;
      call.fail(new GrpcError('UNAVAILABLE', 'the server goes away'));
    }
  }

  #leaveIfUnused(): void {
    if (!this.#isRetired || this.#isEnded || this.#waiting.length > 0) return;
    if (this.#connection !== undefined) return this.#connection.drain();
    this.#link[Symbol.dispose]();
    this.#end(new GrpcError('CANCELLED', 'the channel is closed'));
  }

  #end(error: GrpcError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const call of this.#waiting.splice(0)) call.fail(error);
    this.#listener.onEnded(this);
  }
}

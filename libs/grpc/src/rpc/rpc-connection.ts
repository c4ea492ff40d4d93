/** One HTTP/2 connection of an {@link RpcPort}. */
import {
  FieldList,
  Http2ServerConnection,
  type ServerConnectionHandler,
  type ServerConnectionSettings,
  type ServerExchange,
} from '@ambit/exchange';
import type { ByteChannel, EventLoop, TimerId } from '@ambit/net';
import { GrpcError } from '../grpc-error.ts';
import { RpcCall, type RpcCallSettings, type RpcMethod, type RpcPeer } from './rpc-call.ts';

export interface RpcConnectionSettings extends RpcCallSettings {
  readonly methods: ReadonlyMap<string, RpcMethod>;
  readonly http: ServerConnectionSettings;
  /** Age after which it gets GOAWAY, milliseconds, and what its calls then have to end. */
  readonly maxAgeMs: number;
  readonly ageGraceMs: number;
}

export class RpcConnection implements ServerConnectionHandler {
  readonly #connection: Http2ServerConnection;
  readonly #loop: EventLoop;
  readonly #peer: RpcPeer;
  readonly #settings: RpcConnectionSettings;
  readonly #onClosed: (connection: RpcConnection) => void;
  #timer: TimerId;

  /** Owns the channel. */
  constructor(
    channel: ByteChannel,
    loop: EventLoop,
    peer: RpcPeer,
    settings: RpcConnectionSettings,
    onClosed: (connection: RpcConnection) => void,
  ) {
    this.#loop = loop;
    this.#peer = peer;
    this.#settings = settings;
    this.#onClosed = onClosed;
    // Clients that were started together should not all come back together.
    const ageMs = settings.maxAgeMs * (0.9 + Math.random() * 0.2);
    this.#timer = loop.setTimer(ageMs, { onTimer: () => this.#retire() });
    this.#connection = new Http2ServerConnection(channel, this, loop, settings.http);
  }

  /** GOAWAY: calls in progress go on. */
  drain(): void {
    this.#connection.drain();
  }

  /** Ends it now; a second call does not wait for the peer. */
  close(): void {
    this.#connection.close();
  }

  // --- of the connection

  onRequest(exchange: ServerExchange): void {
    const { method, target, fields } = exchange.head;
    const type = fields.get('content-type') ?? '';
    if (method !== 'POST' || !/^application\/grpc(?:$|[+;])/.test(type)) {
      exchange.respond({ status: 415, fields: new FieldList(), contentLength: 0 }, true);
      return;
    }
    const call = new RpcCall(exchange, this.#peer, this.#settings);
    const served = this.#settings.methods.get(target);
    if (served === undefined) call.finish(new GrpcError('UNIMPLEMENTED', 'this server does not have that method'));
    else void call.run(served);
  }

  onClosed(): void {
    this.#loop.clearTimer(this.#timer);
    this.#onClosed(this);
  }

  #retire(): void {
    this.drain();
    this.#timer = this.#loop.setTimer(this.#settings.ageGraceMs, { onTimer: () => this.close() });
  }
}

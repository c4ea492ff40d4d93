import type { ByteChannel, EventLoop, TurnEndTask } from '@ambit/net';

import type {
  ClientConnection,
  ClientConnectionOwner,
  ClientExchange,
  ClientExchangeUser,
} from '../client-exchange.ts';
import type { ClientConnectionSettings } from '../connection-settings.ts';
import { ExchangeError } from '../exchange-error.ts';
import type { RequestHead } from '../message-head.ts';
import { sendableTarget } from '../sendable.ts';
import { Http2ClientExchange } from './http2-client-exchange.ts';
import { Http2Connection } from './http2-connection.ts';
import type { Http2Side } from './http2-side.ts';

/** Streams at once before the server has said how many it takes. */
const assumedMaxStreams = 100;
/** Methods whose requests say that they have no body. */
const bodyMethods: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** Makes HTTP/2 requests on a channel, which it owns. */
export class Http2ClientConnection implements ClientConnection, Http2Side, TurnEndTask {
  readonly protocol = 'HTTP/2';
  readonly #owner: ClientConnectionOwner;
  readonly #connection: Http2Connection;
  /** Begun without capacity; told at the end of the turn. */
  #refused: { readonly user: ClientExchangeUser; readonly error: ExchangeError }[] = [];

  constructor(channel: ByteChannel, owner: ClientConnectionOwner, loop: EventLoop, settings: ClientConnectionSettings) {
    this.#owner = owner;
    const timeouts = { firstMs: settings.idleTimeoutMs, idleMs: settings.idleTimeoutMs };
    this.#connection = new Http2Connection(channel, this, loop, 'client', settings.http2, timeouts);
  }

  get capacity(): number {
    const { takesStreams, peerMaxStreams, settings, streams } = this.#connection;
    if (!takesStreams) return 0;
    return Math.max(0, Math.min(peerMaxStreams ?? assumedMaxStreams, settings.maxStreams) - streams.size);
  }

  get activeExchanges(): number {
    return this.#connection.streams.size;
  }

  get isDone(): boolean {
    return !this.#connection.takesStreams;
  }

  /** The server takes extended CONNECT. Known when its SETTINGS have come. */
  get takesUpgrade(): boolean {
    return this.#connection.peerTakesExtendedConnect;
  }

  request(head: RequestHead, isEnd: boolean, user: ClientExchangeUser): ClientExchange {
    if (this.capacity === 0) return this.#refuse(user, new ExchangeError('refused', 'the connection takes no stream'));
    if (head.upgrade !== undefined && !this.takesUpgrade) {
      return this.#refuse(user, new ExchangeError('protocol', 'the server takes no extended CONNECT'));
    }
    const connection = this.#connection;
    const id = connection.lastOwnStreamId === 0 ? 1 : connection.lastOwnStreamId + 2;
    connection.lastOwnStreamId = id;
    this.#sendHead(id, head, isEnd);
    const stream = connection.addStream(id);
    const exchange = new Http2ClientExchange(connection, stream, head, isEnd, user);
    stream.user = exchange;
    connection.sentHead(stream, isEnd);
    return exchange;
  }

  drain(): void {
    this.#connection.drain();
  }

  close(): void {
    this.#connection.close();
  }

  onTurnEnd(): void {
    const refused = this.#refused;
    this.#refused = [];
    for (const { user, error } of refused) user.onAborted(error);
  }

  // --- of the connection

  acceptStream(): string | undefined {
    return 'servers open no streams';
  }

  onChange(): void {
    this.#owner.onCapacity();
  }

  onClosed(error: ExchangeError | undefined): void {
    this.#owner.onClosed(error);
  }

  #sendHead(id: number, head: RequestHead, isEnd: boolean): void {
    const { frames } = this.#connection;
    const isConnect = head.method === 'CONNECT' && head.upgrade === undefined;
    frames.beginBlock();
    frames.field(':method', head.upgrade === undefined ? head.method : 'CONNECT');
    if (!isConnect) {
      frames.field(':scheme', head.scheme);
      frames.field(':path', sendableTarget(head.target));
    }
    frames.field(':authority', head.authority);
    if (head.upgrade !== undefined) frames.field(':protocol', head.upgrade);
    frames.fields(head.fields);
    const { contentLength } = head;
    if (!isConnect && head.upgrade === undefined && contentLength !== undefined) {
      if (!isEnd || (contentLength === 0 && bodyMethods.has(head.method))) {
        frames.field('content-length', String(contentLength));
      }
    }
    if (head.expectsContinue && !isEnd) frames.field('expect', '100-continue');
    frames.sendBlock(id, isEnd);
  }

  #refuse(user: ClientExchangeUser, error: ExchangeError): ClientExchange {
    if (this.#refused.length === 0) this.#connection.loop.atTurnEnd(this);
    const entry = { user, error };
    this.#refused.push(entry);
    return new RefusedExchange(() => {
      this.#refused = this.#refused.filter((other) => other !== entry);
    });
  }
}

/** An exchange that never began, until its user is told. */
class RefusedExchange implements ClientExchange {
  readonly #cancel: () => void;

  constructor(cancel: () => void) {
    this.#cancel = cancel;
  }

  write(): boolean {
    return true;
  }

  end(): void {
    // Goes nowhere.
  }

  abort(): void {
    this.#cancel();
  }

  pause(): void {
    // Nothing comes.
  }

  resume(): void {
    // Nothing comes.
  }
}

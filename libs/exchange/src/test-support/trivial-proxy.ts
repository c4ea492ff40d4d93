import { type ByteChannel, type EventLoop, type Fd, io, socketChannel } from '@ambit/net';

import {
  type ClientConnection,
  type ClientConnectionOwner,
  type ClientConnectionSettings,
  type ClientExchange,
  type ClientExchangeUser,
  defaultClientConnectionSettings,
  type ExchangeError,
  FieldList,
  Http1ClientConnection,
  Http2ClientConnection,
  type RequestHead,
  type ResponseHead,
  type ServerConnectionHandler,
  type ServerExchange,
  type ServerExchangeUser,
} from '../index.ts';

type Version = 'HTTP/1.1' | 'HTTP/2';

/** Connections to one server: any with capacity is used, or a new one is made. No limits. */
export class TrivialPool {
  readonly #loop: EventLoop;
  readonly #port: number;
  readonly #version: Version;
  readonly #settings: ClientConnectionSettings;
  readonly connections: Set<PooledConnection> = new Set();
  /** Connections that may have capacity; looked at again when one is wanted. */
  readonly #free: PooledConnection[] = [];
  dials = 0;

  constructor(
    loop: EventLoop,
    port: number,
    version: Version,
    settings: ClientConnectionSettings = defaultClientConnectionSettings,
  ) {
    this.#loop = loop;
    this.#port = port;
    this.#version = version;
    this.#settings = settings;
  }

  /** A connection with capacity; its socket may still be connecting, as channels wait for that by themselves. */
  take(): ClientConnection {
    for (let free = this.#free.at(-1); free !== undefined; free = this.#free.at(-1)) {
      if ((free.connection?.capacity ?? 0) > 1) return free.connection ?? fail();
      this.#free.pop();
      free.isFree = false;
      if (free.connection?.capacity === 1) return free.connection;
    }
    const fd: Fd = io.tcpConnect({ address: '127.0.0.1', port: this.#port });
    this.dials += 1;
    const channel: ByteChannel = socketChannel(this.#loop, fd);
    const pooled = new PooledConnection(this.connections, this.#free);
    const Client = this.#version === 'HTTP/2' ? Http2ClientConnection : Http1ClientConnection;
    const connection = new Client(channel, pooled, this.#loop, this.#settings);
    pooled.connection = connection;
    this.connections.add(pooled);
    if (this.#version === 'HTTP/2') pooled.onCapacity();
    return connection;
  }

  close(): void {
    for (const { connection } of this.connections) connection?.close();
  }
}

class PooledConnection implements ClientConnectionOwner {
  connection: ClientConnection | undefined;
  isFree = false;
  readonly #pool: Set<PooledConnection>;
  readonly #free: PooledConnection[];

  constructor(pool: Set<PooledConnection>, free: PooledConnection[]) {
    this.#pool = pool;
    this.#free = free;
  }

  onCapacity(): void {
    if (this.isFree) return;
    this.isFree = true;
    this.#free.push(this);
  }

  onClosed(): void {
    this.#pool.delete(this);
  }
}

/** Sends every request on as it is, without policy: what tests and benchmarks run between a client and a server. */
export class TrivialProxy implements ServerConnectionHandler {
  readonly #pool: TrivialPool;
  requests = 0;
  /** What went wrong with server connections. */
  readonly errors: ExchangeError[] = [];

  constructor(pool: TrivialPool) {
    this.#pool = pool;
  }

  onRequest(exchange: ServerExchange): void {
    this.requests += 1;
    const { head } = exchange;
    if (head.method === 'CONNECT' && head.upgrade === undefined) {
      exchange.respond({ status: 404, fields: new FieldList(), contentLength: undefined }, true);
      return;
    }
    const passage = new Passage(exchange);
    exchange.user = passage;
    passage.begin(this.#pool.take(), head);
  }

  onClosed(error: ExchangeError | undefined): void {
    if (error !== undefined) this.errors.push(error);
  }
}

/** One request on its way: both sides' user. */
class Passage implements ServerExchangeUser {
  readonly #server: ServerExchange;
  #client: ClientExchange | undefined;
  readonly #isBodyless: boolean;
  #isAnswered = false;

  constructor(server: ServerExchange) {
    this.#server = server;
    this.#isBodyless = !server.head.hasBody && server.head.upgrade === undefined;
  }

  begin(connection: ClientConnection, head: RequestHead): void {
    this.#client = connection.request(head, this.#isBodyless, new AnswerSide(this));
  }

  // --- request

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    if (this.#client?.write(buffer, offset, length) === false) this.#server.pause();
  }

  onEnd(trailers: FieldList | undefined): void {
    if (!this.#isBodyless) this.#client?.end(trailers);
  }

  onWritable(): void {
    this.#client?.resume();
  }

  onAborted(_error: ExchangeError): void {
    this.#client?.abort();
  }

  // --- answer

  onInformational(head: ResponseHead): void {
    this.#server.respondInformational(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#isAnswered = true;
    this.#server.respond(head, isEnd);
  }

  onAnswerBody(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.#server.write(buffer, offset, length)) this.#client?.pause();
  }

  onAnswerEnd(trailers: FieldList | undefined): void {
    this.#server.end(trailers);
  }

  onRequestWritable(): void {
    this.#server.resume();
  }

  onAnswerAborted(error: ExchangeError): void {
    if (this.#isAnswered) return this.#server.abort();
    const fields = new FieldList();
    fields.add('x-error', error.kind);
    this.#server.respond({ status: 502, fields, contentLength: undefined }, true);
  }
}

/** The client's side of a passage, whose calls have the same names as the server's. */
class AnswerSide implements ClientExchangeUser {
  readonly #passage: Passage;

  constructor(passage: Passage) {
    this.#passage = passage;
  }

  onInformational(head: ResponseHead): void {
    this.#passage.onInformational(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#passage.onResponse(head, isEnd);
  }

  onBody(buffer: Uint8Array, offset: number, length: number): void {
    this.#passage.onAnswerBody(buffer, offset, length);
  }

  onEnd(trailers: FieldList | undefined): void {
    this.#passage.onAnswerEnd(trailers);
  }

  onWritable(): void {
    this.#passage.onRequestWritable();
  }

  onAborted(error: ExchangeError): void {
    this.#passage.onAnswerAborted(error);
  }
}

function fail(): never {
  throw new Error('a free connection is none');
}

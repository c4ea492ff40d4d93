/**
 * The bus of one machine without NATS: takes events from any client of a unix socket and hands them to all that
 * subscribed. Whoever may open the socket may publish: the file's mode is the access rule.
 * Bounded: clients, subscriptions of a client, bytes that wait for a client (a slow one loses messages, counted).
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type BusFrame, encodeFrame, frameKinds, FrameReader } from './bus-frame.ts';
import { EventError } from './event-error.ts';
import { checkPattern, isSubject, matchesSubject } from './subject-pattern.ts';

export interface UnixBusServerOptions {
  readonly path: string;
  /** Mode of the socket file; default 0o600. */
  readonly mode?: number;
  /** Default 64. */
  readonly maxClients?: number;
  /** Bytes that may wait for one client; default 1 MiB. */
  readonly maxClientBytes?: number;
}

const MAX_SUBSCRIPTIONS = 256;

interface Client {
  readonly socket: Socket;
  readonly patterns: Set<string>;
}

export class UnixBusServer implements AsyncDisposable {
  readonly #options: Required<UnixBusServerOptions>;
  readonly #clients = new Set<Client>();
  readonly #server: Server;
  #dropped = 0;

  private constructor(options: UnixBusServerOptions) {
    this.#options = { mode: 0o600, maxClients: 64, maxClientBytes: 1024 * 1024, ...options };
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = this.#options.maxClients;
  }

  /** Replaces a stale socket file. Rejects with EventError `SOCKET` when the path cannot be listened on. */
  static async listen(options: UnixBusServerOptions): Promise<UnixBusServer> {
    const bus = new UnixBusServer(options);
    rmSync(options.path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    bus.#server.once('error', (cause) => reject(new EventError('SOCKET', `cannot listen on ${options.path}`, cause)));
    bus.#server.listen(options.path, resolve);
    await promise;
    chmodSync(options.path, bus.#options.mode);
    return bus;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Messages not handed to a client because it did not read. */
  get dropped(): number {
    return this.#dropped;
  }

  #accept(socket: Socket): void {
    const client: Client = { socket, patterns: new Set() };
    const reader = new FrameReader();
    this.#clients.add(client);
    // A client that goes away or sends nonsense is cut; the others do not notice.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#clients.delete(client));
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) this.#take(client, frame);
      } catch {
        socket.destroy();
      }
    });
  }

  #take(client: Client, frame: BusFrame): void {
    switch (frame.kind) {
      case frameKinds.publish:
        if (isSubject(frame.subject)) this.#deliver(frame);
        return;
      case frameKinds.subscribe:
        checkPattern(frame.subject);
        if (client.patterns.size < MAX_SUBSCRIPTIONS) client.patterns.add(frame.subject);
        return;
      case frameKinds.unsubscribe:
        client.patterns.delete(frame.subject);
        return;
      case frameKinds.message:
        client.socket.destroy();
    }
  }

  #deliver({ subject, payload }: BusFrame): void {
    let frame: Buffer | undefined;
    for (const { socket, patterns } of this.#clients) {
      if (![...patterns].some((pattern) => matchesSubject(pattern, subject))) continue;
      if (socket.writableLength > this.#options.maxClientBytes) {
        this.#dropped += 1;
        continue;
      }
      frame ??= encodeFrame(frameKinds.message, subject, payload);
      socket.write(frame);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.#clients) socket.destroy();
    await closed;
  }
}

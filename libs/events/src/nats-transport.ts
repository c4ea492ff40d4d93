/**
 * Events over NATS. Connects and reconnects for ever; while there is no connection a bounded queue holds what is
 * published, and the client's own buffer is never allowed to grow: what was not flushed counts against a limit.
 */
import type { NatsConnection, NodeConnectionOptions, Subscription } from '@nats-io/transport-node';
import {
  DEFAULT_QUEUE_LIMIT,
  DropOldestQueue,
  type EventTransport,
  type TransportState,
  type TransportStatus,
} from './event-transport.ts';
import { checkPattern } from './subject-pattern.ts';

export interface NatsTransportOptions {
  /** `nats://host:port`, one or more. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly token?: string;
  readonly queueLimit?: number;
  /** Create the JetStream stream that keeps `cert.issued` and `root.rotated`; default false. */
  readonly keepsAudit?: boolean;
}

/** Messages handed to the client and not confirmed by a flush. */
const MAX_UNFLUSHED = 4_096;
const RECONNECT_WAIT_MS = 1_000;
/** How long queued events wait for the audit stream; then they are sent without. */
const STREAM_MS = 5_000;
/** How long the end waits for what was published to leave. */
const DRAIN_MS = 2_000;

interface Wanted {
  readonly pattern: string;
  readonly onMessage: (subject: string, bytes: Uint8Array) => void;
  active: Subscription | undefined;
}

interface Waiting {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

export class NatsTransport implements EventTransport {
  readonly #options: NatsTransportOptions;
  readonly #queue: DropOldestQueue<Waiting>;
  readonly #wanted = new Set<Wanted>();
  readonly #running: Promise<void>;
  readonly #closed = Promise.withResolvers<undefined>();
  #connection: NatsConnection | undefined;
  #state: TransportState = 'connecting';
  #lastError = '';
  #unflushed = 0;
  /** Counts connections and their losses, so that what a lost one was waiting for has no effect. */
  #openings = 0;
  #isFlushing = false;

  constructor(options: NatsTransportOptions) {
    this.#options = options;
    this.#queue = new DropOldestQueue(options.queueLimit ?? DEFAULT_QUEUE_LIMIT);
    this.#running = this.#run();
  }

  get status(): TransportStatus {
    const { size: queued, dropped } = this.#queue;
    return { kind: 'nats', state: this.#state, queued, dropped, lastError: this.#lastError };
  }

  publish(subject: string, bytes: Uint8Array): void {
    const isFull = this.#unflushed >= MAX_UNFLUSHED;
    if (this.#state === 'closed' || isFull) return this.#queue.drop();
    if (this.#state === 'connecting' || this.#connection === undefined) return this.#queue.push({ subject, bytes });
    this.#send(this.#connection, subject, bytes);
  }

  subscribe(pattern: string, onMessage: (subject: string, bytes: Uint8Array) => void): Disposable {
    checkPattern(pattern);
    const wanted: Wanted = { pattern, onMessage, active: undefined };
    this.#wanted.add(wanted);
    if (this.#connection !== undefined) this.#activate(this.#connection, wanted);
    return {
      [Symbol.dispose]: () => {
        this.#wanted.delete(wanted);
        if (this.#connection?.isClosed() === false) wanted.active?.unsubscribe();
      },
    };
  }

  async #run(): Promise<void> {
    const { servers, name, token } = this.#options;
    while (this.#state !== 'closed') {
      const connecting = connectTo({
        servers: [...servers],
        name,
        ...(token === undefined ? {} : { token }),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_WAIT_MS,
        timeout: 5_000,
      });
      // A connection that comes after the end is closed at once; its failure is nobody's concern then.
      connecting.then(
        (late) => (this.#state === 'closed' ? late.close() : undefined),
        () => undefined,
      );
      try {
        const connection = await Promise.race([connecting, this.#closed.promise]);
        if (connection === undefined) return;
        this.#begin(connection);
        await this.#follow(connection);
      } catch (cause) {
        this.#lastError = cause instanceof Error ? cause.message : String(cause);
      }
      this.#connection = undefined;
      this.#setConnecting();
      await Promise.race([pause(RECONNECT_WAIT_MS), this.#closed.promise]);
    }
  }

  #begin(connection: NatsConnection): void {
    this.#connection = connection;
    for (const wanted of this.#wanted) this.#activate(connection, wanted);
    this.#opened(connection);
  }

  /** After each (re)connection: what waits is sent only once the stream that has to keep it is there. */
  #opened(connection: NatsConnection): void {
    const opening = (this.#openings += 1);
    const isCurrent = (): boolean => this.#openings === opening && this.#connection === connection;
    if (this.#options.keepsAudit !== true) return this.#setConnected(connection);
    const ready = keepAudit(connection).catch((cause: unknown) => {
      this.#lastError = `no audit stream: ${cause instanceof Error ? cause.message : String(cause)}`;
    });
    void Promise.race([ready, pause(STREAM_MS)]).then(() => {
      if (isCurrent()) this.#setConnected(connection);
    });
  }

  /** Follows the connection until it is closed for good. */
  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#setConnecting();
      else if (status.type === 'reconnect') this.#opened(connection);
      else if (status.type === 'error') this.#lastError = status.error.message;
    }
  }

  #setConnecting(): void {
    this.#openings += 1;
    if (this.#state === 'connected') this.#state = 'connecting';
  }

  #setConnected(connection: NatsConnection): void {
    if (this.#state === 'closed') return;
    this.#state = 'connected';
    for (const { subject, bytes } of this.#queue.takeAll()) this.#send(connection, subject, bytes);
  }

  #activate(connection: NatsConnection, wanted: Wanted): void {
    wanted.active = connection.subscribe(wanted.pattern, {
      callback: (error, message) => {
        if (error === null) wanted.onMessage(message.subject, message.data);
      },
    });
  }

  #send(connection: NatsConnection, subject: string, bytes: Uint8Array): void {
    try {
      connection.publish(subject, bytes);
    } catch {
      return this.#queue.drop();
    }
    this.#unflushed += 1;
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const sent = this.#unflushed;
    const done = (): void => {
      this.#unflushed -= sent;
      this.#isFlushing = false;
    };
    connection.flush().then(done, done);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    const wasConnected = this.#state === 'connected';
    this.#state = 'closed';
    this.#closed.resolve(undefined);
    this.#queue.drop(this.#queue.takeAll().length);
    const connection = this.#connection;
    if (connection !== undefined && wasConnected) {
      // Draining sends what was published. A server that dies at this very moment would be waited for without end.
      await Promise.race([connection.drain(), pause(DRAIN_MS)]).catch(() => undefined);
    }
    if (connection?.isClosed() === false) await connection.close().catch(() => undefined);
    await this.#running;
  }
}

/** Loaded when used: the client costs 6 MB, which a node proxy without NATS does not pay. */
async function connectTo(options: NodeConnectionOptions): Promise<NatsConnection> {
  const { connect } = await import('@nats-io/transport-node');
  return connect(options);
}

async function keepAudit(connection: NatsConnection): Promise<void> {
  const { ensureAuditStream } = await import('./nats-audit-stream.ts');
  await ensureAuditStream(connection);
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms);
  });
}

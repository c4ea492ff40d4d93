/** A client of {@link UnixBusServer} that connects for ever. */
import { createConnection, type Socket } from 'node:net';
import { Backoff, type Clock, systemClock } from '@ambit/runtime';
import { encodeFrame, frameKinds, FrameReader } from './bus-frame.ts';
import {
  DEFAULT_QUEUE_LIMIT,
  DropOldestQueue,
  type EventTransport,
  type TransportState,
  type TransportStatus,
} from './event-transport.ts';
import { SubscriberList } from './subscriber-list.ts';

export interface UnixTransportOptions {
  readonly path: string;
  readonly queueLimit?: number;
  readonly clock?: Clock;
}

/** Bytes that may wait in the socket; beyond them messages are dropped rather than kept. */
const MAX_SOCKET_BYTES: number = 1024 * 1024;

export class UnixTransport implements EventTransport {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #subscribers = new SubscriberList();
  readonly #queue: DropOldestQueue<Buffer>;
  readonly #backoff = new Backoff({ initialMs: 50, maxMs: 5_000, jitter: 0.2 });
  #socket: Socket | undefined;
  #retry: Disposable | undefined;
  #state: TransportState = 'connecting';
  #lastError = '';

  constructor(options: UnixTransportOptions) {
    this.#path = options.path;
    this.#clock = options.clock ?? systemClock;
    this.#queue = new DropOldestQueue(options.queueLimit ?? DEFAULT_QUEUE_LIMIT);
    this.#connect();
  }

  get status(): TransportStatus {
    const { size: queued, dropped } = this.#queue;
    return { kind: 'unix-socket', state: this.#state, queued, dropped, lastError: this.#lastError };
  }

  publish(subject: string, bytes: Uint8Array): void {
    const isFull = (this.#socket?.writableLength ?? 0) > MAX_SOCKET_BYTES;
    if (this.#state === 'closed' || isFull) return this.#queue.drop();
    const frame = encodeFrame(frameKinds.publish, subject, bytes);
    if (this.#state === 'connected') this.#socket?.write(frame);
    else this.#queue.push(frame);
  }

  subscribe(pattern: string, onMessage: (subject: string, bytes: Uint8Array) => void): Disposable {
    const isNew = !this.#subscribers.patterns().has(pattern);
    const subscription = this.#subscribers.add(pattern, onMessage);
    if (isNew && this.#state === 'connected') this.#socket?.write(encodeFrame(frameKinds.subscribe, pattern));
    return {
      [Symbol.dispose]: () => {
        subscription[Symbol.dispose]();
        if (this.#state !== 'connected' || this.#subscribers.patterns().has(pattern)) return;
        this.#socket?.write(encodeFrame(frameKinds.unsubscribe, pattern));
      },
    };
  }

  #connect(): void {
    const socket = createConnection(this.#path);
    const reader = new FrameReader();
    this.#socket = socket;
    // The bus must not keep a process alive that has nothing else to do.
    socket.unref();
    socket.on('connect', () => {
      this.#state = 'connected';
      this.#backoff.reset();
      for (const pattern of this.#subscribers.patterns()) socket.write(encodeFrame(frameKinds.subscribe, pattern));
      for (const frame of this.#queue.takeAll()) socket.write(frame);
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const { kind, subject, payload } of reader.push(chunk)) {
          if (kind === frameKinds.message) this.#subscribers.deliver(subject, payload);
        }
      } catch (cause) {
        socket.destroy(cause instanceof Error ? cause : undefined);
      }
    });
    socket.on('error', (error) => {
      this.#lastError = error.message;
    });
    socket.on('close', () => {
      if (this.#state === 'closed') return;
      this.#state = 'connecting';
      this.#retry = this.#clock.after(this.#backoff.nextMs(), () => this.#connect());
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#state = 'closed';
    this.#retry?.[Symbol.dispose]();
    this.#queue.drop(this.#queue.takeAll().length);
    // What was published is sent before the end; the reader's answer is not waited for.
    this.#socket?.destroySoon();
    return Promise.resolve();
  }
}

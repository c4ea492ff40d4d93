/** What carries bytes for an {@link EventBus}. Implementations: in process, unix socket, NATS. */

export type TransportState = 'connecting' | 'connected' | 'closed';

export interface TransportStatus {
  readonly kind: 'in-process' | 'unix-socket' | 'nats';
  readonly state: TransportState;
  /** Messages waiting for the connection. */
  readonly queued: number;
  /** Messages given up because a queue was full or the transport was closed. */
  readonly dropped: number;
  /** Why the last connection failed or ended; empty when there was no such thing. */
  readonly lastError: string;
}

/**
 * Publishing never waits and never throws; a full queue costs the oldest message that waits. Delivery is at most once,
 * in order per publisher, and never inside `publish`.
 */
export interface EventTransport extends AsyncDisposable {
  readonly status: TransportStatus;
  publish(subject: string, bytes: Uint8Array): void;
  /** Survives reconnects until disposed. The bytes are the receiver's. */
  subscribe(pattern: string, onMessage: (subject: string, bytes: Uint8Array) => void): Disposable;
}

/** A bounded queue that gives up its oldest entry. */
export class DropOldestQueue<T> {
  readonly #limit: number;
  #items: T[] = [];
  #dropped = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#items.length;
  }

  get dropped(): number {
    return this.#dropped;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length > this.#limit) {
      this.#items.shift();
      this.#dropped += 1;
    }
  }

  /** Counts a message that never reached the queue. */
  drop(count: number = 1): void {
    this.#dropped += count;
  }

  takeAll(): readonly T[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}

/** Messages that wait for a connection or a turn. */
export const DEFAULT_QUEUE_LIMIT = 1_024;

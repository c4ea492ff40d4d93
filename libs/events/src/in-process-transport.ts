import {
  DEFAULT_QUEUE_LIMIT,
  DropOldestQueue,
  type EventTransport,
  type TransportState,
  type TransportStatus,
} from './event-transport.ts';
import { SubscriberList } from './subscriber-list.ts';

interface Waiting {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/** Carries events within one process; each turn of the event loop delivers what was published before it. */
export class InProcessTransport implements EventTransport {
  readonly #subscribers = new SubscriberList();
  readonly #queue: DropOldestQueue<Waiting>;
  #state: TransportState = 'connected';
  #isDue = false;

  constructor(queueLimit: number = DEFAULT_QUEUE_LIMIT) {
    this.#queue = new DropOldestQueue(queueLimit);
  }

  get status(): TransportStatus {
    const { size: queued, dropped } = this.#queue;
    return { kind: 'in-process', state: this.#state, queued, dropped, lastError: '' };
  }

  publish(subject: string, bytes: Uint8Array): void {
    if (this.#state === 'closed') return this.#queue.drop();
    this.#queue.push({ subject, bytes });
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.#deliver());
  }

  subscribe(pattern: string, onMessage: (subject: string, bytes: Uint8Array) => void): Disposable {
    return this.#subscribers.add(pattern, onMessage);
  }

  #deliver(): void {
    this.#isDue = false;
    for (const { subject, bytes } of this.#queue.takeAll()) this.#subscribers.deliver(subject, bytes);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#state = 'closed';
    this.#queue.drop(this.#queue.takeAll().length);
    return Promise.resolve();
  }
}

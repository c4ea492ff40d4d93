/**
 * Typed events over any transport. A hint, never the truth: nothing in the mesh may depend on an event's arrival.
 * Spec: design.md decision 3.
 */
import { toAmbitError } from '@ambit/runtime';
import { decodeEnvelope, encodeEnvelope, type Envelope } from './envelope.ts';
import { type EventName, type EventPayload, patternOf, subjectOf } from './event-catalogue.ts';
import type { EventTransport, TransportStatus } from './event-transport.ts';

export interface EventBusStatus extends TransportStatus {
  readonly published: number;
  readonly received: number;
  /** Events that could not be encoded or read, or whose handler threw. */
  readonly failed: number;
}

export interface EventBusOptions {
  readonly transport: EventTransport;
  /** Who publishes, such as `ztunnel/node1`. */
  readonly source: string;
  readonly wallTimeMs?: () => number;
  /** Told about events that failed; for the debug log. */
  readonly onFailure?: (message: string) => void;
}

export class EventBus implements AsyncDisposable {
  readonly #options: Required<EventBusOptions>;
  #sequence = 0;
  #received = 0;
  #failed = 0;

  constructor(options: EventBusOptions) {
    this.#options = { wallTimeMs: Date.now, onFailure: () => undefined, ...options };
  }

  get status(): EventBusStatus {
    const { status } = this.#options.transport;
    return { ...status, published: this.#sequence, received: this.#received, failed: this.#failed };
  }

  /** Never waits, never throws. `key` is used by keyed events only: the node of a `flow`. */
  publish<E extends EventName>(event: E, payload: EventPayload<E>, key: string = ''): void {
    const { transport, source, wallTimeMs } = this.#options;
    this.#sequence += 1;
    try {
      const bytes = encodeEnvelope({ event, source, wallTimeMs: wallTimeMs(), sequence: this.#sequence, payload });
      transport.publish(subjectOf(event, key), bytes);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Calls `handler` for each such event from any publisher, this one included, until disposed. */
  subscribe<E extends EventName>(event: E, handler: (envelope: Envelope<E>) => void): Disposable {
    return this.#options.transport.subscribe(patternOf(event), (_subject, bytes) => {
      this.#received += 1;
      try {
        const envelope = decodeEnvelope(bytes);
        if (isOf(envelope, event)) handler(envelope);
        else this.#fail(new Error(`event ${envelope.event} came on the subject of ${event}`));
      } catch (cause) {
        this.#fail(cause);
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#options.transport[Symbol.asyncDispose]());
  }

  #fail(cause: unknown): void {
    this.#failed += 1;
    this.#options.onFailure(toAmbitError(cause).message);
  }
}

function isOf<E extends EventName>(envelope: Envelope, event: E): envelope is Envelope<E> {
  return envelope.event === event;
}

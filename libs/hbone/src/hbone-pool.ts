import type { EventLoop } from '@ambit/net';

import type { ClientConnection } from './client-connection.ts';
import { HboneError } from './hbone-error.ts';
import { defaultHboneSettings } from './hbone-settings.ts';
import type { HboneSettings } from './hbone-settings.ts';
import type { ConnectCallback, ConnectRequest } from './outbound-request.ts';
import { PendingConnect } from './pending-connect.ts';
import { poolKeyText } from './pool-key.ts';
import type { PoolKey } from './pool-key.ts';
import { PoolSlot } from './pool-slot.ts';
import type { DialPlan } from './tunnel-dial.ts';

/** A connection that ends when the certificate of its peer is on a revocation list now; true if so. */
export interface RevocableConnection {
  closeIfRevoked(): boolean;
}

export interface HbonePoolOptions {
  readonly loop: EventLoop;
  readonly settings?: Partial<HboneSettings>;
}

/**
 * The outbound side of HBONE on one event loop: connections by key, one pool a pod. Requests of one key wait for one
 * dial at a time; a failed dial fails only the request that made it. Spec: data-plane 1.3.
 */
export class HbonePool {
  readonly #loop: EventLoop;
  readonly #settings: HboneSettings;
  readonly #slots: Map<string, PoolSlot> = new Map();
  /** All connections, the retired ones too. */
  readonly #connections: Set<ClientConnection> = new Set();
  #isClosed = false;

  constructor(options: HbonePoolOptions) {
    this.#loop = options.loop;
    this.#settings = { ...defaultHboneSettings, ...options.settings };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** All of them, also those that take no more streams; may end while they are walked through. */
  get connections(): Iterable<RevocableConnection> {
    return this.#connections;
  }

  /** Streams of all connections. */
  get streamCount(): number {
    let count = 0;
    for (const connection of this.#connections) count += connection.streamCount;
    return count;
  }

  /**
   * Asks for a tunnel. The callback comes once, not before this returns. `dial` is used if this request has to make the
   * connection; requests with equal keys must have equal plans. @throws HboneError CLOSED.
   */
  connect(key: PoolKey, dial: DialPlan, request: ConnectRequest, callback: ConnectCallback): PendingConnect {
    if (this.#isClosed) throw new HboneError('CLOSED', 'pool draining', { source: 'internal' });
    const text = poolKeyText(key);
    const pending = new PendingConnect(dial, request, callback, (again) => this.#slot(text).wait(again));
    this.#slot(text).add(pending);
    return pending;
  }

  /** No new requests; connections close after their last stream. */
  drain(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) connection.retire();
  }

  /** Ends everything now: waiting requests fail, running bridges end, both with `reason`. */
  close(reason?: HboneError): void {
    this.#isClosed = true;
    const error = reason ?? new HboneError('CLOSED', 'pool draining', { source: 'internal' });
    for (const slot of this.#slots.values()) slot.close(error);
    for (const connection of this.#connections) connection.close(error);
  }

  #slot(text: string): PoolSlot {
    let slot = this.#slots.get(text);
    if (slot === undefined) {
      slot = new PoolSlot(this.#loop, this.#settings, {
        onConnection: (connection) => void this.#connections.add(connection),
        onGone: (connection) => void this.#connections.delete(connection),
        onEmpty: (empty) => {
          if (this.#slots.get(text) === empty) this.#slots.delete(text);
        },
      });
      this.#slots.set(text, slot);
    }
    return slot;
  }
}

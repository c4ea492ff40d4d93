import type { EventLoop, TurnEndTask } from '@ambit/net';

import type { ByteTransport } from './byte-transport.ts';
import { ClientConnection } from './client-connection.ts';
import { HboneError } from './hbone-error.ts';
import type { HboneSettings } from './hbone-settings.ts';
import type { PendingConnect } from './pending-connect.ts';
import { TunnelDial } from './tunnel-dial.ts';
import type { TunnelDialUser } from './tunnel-dial.ts';

/** What a slot tells its pool. */
export interface PoolSlotOwner {
  onConnection(connection: ClientConnection): void;
  onGone(connection: ClientConnection): void;
  /** Neither connection, dial nor request is left. */
  onEmpty(slot: PoolSlot): void;
}

/** One key of a pool: at most one connection that takes streams, at most one dial, and the requests that wait. */
export class PoolSlot implements TunnelDialUser, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #settings: HboneSettings;
  readonly #owner: PoolSlotOwner;
  #waiting: PendingConnect[] = [];
  #connection: ClientConnection | undefined;
  #dial: TunnelDial | undefined;
  /** The request whose dial is under way. */
  #dialler: PendingConnect | undefined;
  #isScheduled = false;

  constructor(loop: EventLoop, settings: HboneSettings, owner: PoolSlotOwner) {
    this.#loop = loop;
    this.#settings = settings;
    this.#owner = owner;
  }

  /** The request is sent at once on a usable connection, else it waits. Fails at the end of the turn if too many wait. */
  add(pending: PendingConnect): void {
    const connection = this.#usableConnection();
    if (connection !== undefined && this.#waiting.length === 0 && this.#send(connection, pending)) return;
    this.wait(pending);
  }

  /** The request is sent at the end of the turn, or waits longer. */
  wait(pending: PendingConnect): void {
    this.#waiting.push(pending);
    this.#schedule();
  }

  close(error: HboneError): void {
    this.#dial?.cancel();
    this.#dial = undefined;
    const waiting = this.#dialler === undefined ? this.#waiting : [this.#dialler, ...this.#waiting];
    this.#dialler = undefined;
    this.#waiting = [];
    for (const pending of waiting) pending.onError(error);
    this.#checkEmpty();
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    this.#serve();
    this.#refuseSurplus();
  }

  onDialled(transport: ByteTransport): void {
    this.#dial = undefined;
    const connection = new ClientConnection(this.#loop, transport, this.#settings, (gone) => this.#onGone(gone));
    this.#connection = connection;
    this.#owner.onConnection(connection);
    if (this.#dialler !== undefined) this.#waiting.unshift(this.#dialler);
    this.#dialler = undefined;
    this.#serve();
  }

  onDialFailed(error: HboneError): void {
    this.#dial = undefined;
    const dialler = this.#dialler;
    this.#dialler = undefined;
    dialler?.onError(error);
    this.#serve();
  }

  /** Waiting requests onto the connection as far as it takes them; then one of them dials. */
  #serve(): void {
    let sent = 0;
    for (; sent < this.#waiting.length; sent++) {
      const pending = this.#waiting[sent];
      if (pending === undefined || pending.isCancelled) continue;
      const connection = this.#usableConnection();
      if (connection === undefined) break;
      if (!this.#send(connection, pending)) pending.onError(cannotSend());
    }
    this.#waiting.splice(0, sent);
    if (this.#waiting.length > 0 && this.#dial === undefined) this.#dialFor(this.#waiting.shift());
    this.#checkEmpty();
  }

  /** False if the request is illegal. */
  #send(connection: ClientConnection, pending: PendingConnect): boolean {
    try {
      pending.sentAs(connection.request(pending.request, pending));
      return true;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return false;
    }
  }

  #dialFor(pending: PendingConnect | undefined): void {
    if (pending === undefined) return;
    this.#dialler = pending;
    this.#dial = new TunnelDial(this.#loop, pending.dial, this.#settings, this);
  }

  #refuseSurplus(): void {
    const surplus = this.#waiting.splice(this.#settings.poolMaxQueuedPerKey);
    for (const pending of surplus) {
      pending.onError(
        new HboneError('POOL_FULL', 'too many requests wait for one tunnel', { source: 'internal', retryable: true }),
      );
    }
  }

  #usableConnection(): ClientConnection | undefined {
    if (this.#connection?.isUsable === false) this.#connection = undefined;
    return this.#connection;
  }

  #onGone(gone: ClientConnection): void {
    if (this.#connection === gone) this.#connection = undefined;
    this.#owner.onGone(gone);
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (this.#waiting.length === 0 && this.#dial === undefined && this.#usableConnection() === undefined)
      this.#owner.onEmpty(this);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }
}

function cannotSend(): HboneError {
  return new HboneError('HTTP2_FAILED', 'request has an illegal header', { source: 'internal' });
}

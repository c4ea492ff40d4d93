import {
  type ClientConnection,
  type ClientConnectionOwner,
  type ClientConnectionSettings,
  type RequestHead,
} from '@ambit/exchange';
import type { ByteChannel, EventLoop, TimerHandler, TimerId } from '@ambit/net';

import type { ConnectFailure, PendingAttempt, UpstreamUser } from '../../request/upstream.ts';
import type { ChannelDial, ChannelReceiver } from './endpoint-channel.ts';

/** What a pool asks of its cluster. */
export interface HttpPoolOwner {
  readonly loop: EventLoop;
  /** New connections are made by this; it is the pool's own version. */
  connect(channel: ByteChannel, owner: ClientConnectionOwner, settings: ClientConnectionSettings): ClientConnection;
  dial(receiver: ChannelReceiver): ChannelDial;
  readonly settings: ClientConnectionSettings;
  /** Undefined: no limit. */
  readonly maxRequestsPerConnection: number | undefined;
  readonly maxConnectionDurationMs: number | undefined;
  /** False: the cluster has as many connections as it may. A pool without any makes one all the same. */
  takeConnection(isFirst: boolean): boolean;
  giveConnection(): void;
  /** False: as many requests wait as may. */
  takePending(): boolean;
  givePending(): void;
}

/** A request that waits for a connection. */
class Waiting implements PendingAttempt {
  readonly head: RequestHead;
  readonly isEnd: boolean;
  readonly user: UpstreamUser;
  readonly #onCancel: (waiting: Waiting) => void;
  isOver = false;

  constructor(head: RequestHead, isEnd: boolean, user: UpstreamUser, onCancel: (waiting: Waiting) => void) {
    this.head = head;
    this.isEnd = isEnd;
    this.user = user;
    this.#onCancel = onCancel;
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#onCancel(this);
  }
}

const nothingPending: PendingAttempt = {
  cancel: () => {
    // The exchange has begun: it is that which is aborted.
  },
};

/** One connection of a pool, or the dial that is to become one. */
class PooledConnection implements ClientConnectionOwner, ChannelReceiver, TimerHandler {
  readonly #pool: HttpPool;
  readonly #loop: EventLoop;
  dial: ChannelDial | undefined;
  connection: ClientConnection | undefined;
  localAddress = '';
  served = 0;
  /** In the pool's list of those that take requests. */
  isListed = false;
  #timer: TimerId | undefined;

  constructor(pool: HttpPool, loop: EventLoop) {
    this.#pool = pool;
    this.#loop = loop;
  }

  limitLife(durationMs: number | undefined): void {
    if (durationMs !== undefined) this.#timer = this.#loop.setTimer(durationMs, this);
  }

  onChannel(channel: ByteChannel, localAddress: string): void {
    this.dial = undefined;
    this.localAddress = localAddress;
    this.#pool.onDialled(this, channel);
  }

  onChannelFailed(failure: ConnectFailure): void {
    this.dial = undefined;
    this.#pool.onDialFailed(this, failure);
  }

  onCapacity(): void {
    this.#pool.onCapacity(this);
  }

  onClosed(): void {
    if (this.#timer !== undefined) this.#loop.clearTimer(this.#timer);
    this.#pool.onClosed(this);
  }

  onTimer(): void {
    this.#timer = undefined;
    this.connection?.drain();
  }
}

/**
 * Connections of one version of HTTP to one endpoint, and the requests that wait for them. A request takes the connection that
 * was used last; one that finds none waits for a new one. HTTP/1.1: a dial for each that waits. HTTP/2: one at a time.
 */
export class HttpPool {
  readonly #owner: HttpPoolOwner;
  readonly #isMultiplexed: boolean;
  readonly #connections = new Set<PooledConnection>();
  /** Those that may have capacity; looked at from the end. */
  readonly #available: PooledConnection[] = [];
  #waiting: Waiting[] = [];
  #dials = 0;
  #isRetired = false;

  constructor(owner: HttpPoolOwner, isMultiplexed: boolean) {
    this.#owner = owner;
    this.#isMultiplexed = isMultiplexed;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  open(head: RequestHead, isEnd: boolean, user: UpstreamUser): PendingAttempt {
    const free = this.#waiting.length === 0 ? this.#freeConnection() : undefined;
    if (free !== undefined) {
      this.#start(free, head, isEnd, user);
      return nothingPending;
    }
    if (!this.#owner.takePending()) {
      user.onConnectFailed({ kind: 'overflow', transportReason: '' });
      return nothingPending;
    }
    const waiting = new Waiting(head, isEnd, user, (cancelled) => this.#onCancel(cancelled));
    this.#waiting.push(waiting);
    this.dialForWaiting();
    return waiting;
  }

  /** The endpoint is gone, or is reached differently now: idle connections end, the others with their requests. */
  retire(): void {
    this.#isRetired = true;
    for (const { connection } of this.#connections) connection?.drain();
  }

  onDialled(pooled: PooledConnection, channel: ByteChannel): void {
    this.#dials -= 1;
    pooled.connection = this.#owner.connect(channel, pooled, this.#owner.settings);
    pooled.limitLife(this.#owner.maxConnectionDurationMs);
    this.onCapacity(pooled);
    // Nobody waits any more, and nobody will come.
    if (this.#isRetired) pooled.connection.drain();
  }

  onDialFailed(pooled: PooledConnection, failure: ConnectFailure): void {
    this.#dials -= 1;
    this.#connections.delete(pooled);
    this.#owner.giveConnection();
    const failed = this.#waiting.splice(0, this.#isMultiplexed ? this.#waiting.length : 1);
    for (const waiting of failed) this.#settle(waiting);
    for (const { user } of failed) user.onConnectFailed(failure);
    this.dialForWaiting();
  }

  onCapacity(pooled: PooledConnection): void {
    if (pooled.connection !== undefined && pooled.connection.capacity > 0 && !pooled.isListed) {
      pooled.isListed = true;
      this.#available.push(pooled);
    }
    this.#serve();
  }

  onClosed(pooled: PooledConnection): void {
    if (!this.#connections.delete(pooled)) return;
    this.#owner.giveConnection();
    const at = pooled.isListed ? this.#available.indexOf(pooled) : -1;
    if (at >= 0) this.#available.splice(at, 1);
    this.dialForWaiting();
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const free = this.#freeConnection();
      if (free === undefined) break;
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      this.#settle(waiting);
      this.#start(free, waiting.head, waiting.isEnd, waiting.user);
    }
    this.dialForWaiting();
  }

  #freeConnection(): PooledConnection | undefined {
    for (let last = this.#available.at(-1); last !== undefined; last = this.#available.at(-1)) {
      const { connection } = last;
      if (connection !== undefined && !connection.isDone && connection.capacity > 0) return last;
      last.isListed = false;
      this.#available.pop();
    }
    return undefined;
  }

  #start(pooled: PooledConnection, head: RequestHead, isEnd: boolean, user: UpstreamUser): void {
    const { connection } = pooled;
    if (connection === undefined) return;
    pooled.served += 1;
    const exchange = connection.request(head, isEnd, user);
    if (this.#isRetired || pooled.served === this.#owner.maxRequestsPerConnection) connection.drain();
    user.onConnected(exchange, pooled.localAddress);
  }

  /** As far as the limits let it; called again when they may let more. */
  dialForWaiting(): void {
    const wanted = this.#isMultiplexed ? Math.min(this.#waiting.length, 1) : this.#waiting.length;
    while (this.#dials < wanted && this.#owner.takeConnection(this.#connections.size === 0)) {
      this.#dials += 1;
      const pooled = new PooledConnection(this, this.#owner.loop);
      this.#connections.add(pooled);
      pooled.dial = this.#owner.dial(pooled);
    }
  }

  #onCancel(cancelled: Waiting): void {
    const at = this.#waiting.indexOf(cancelled);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#owner.givePending();
  }

  #settle(waiting: Waiting): void {
    waiting.isOver = true;
    this.#owner.givePending();
  }
}

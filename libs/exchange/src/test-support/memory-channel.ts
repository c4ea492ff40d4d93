import { type ByteChannel, type ByteChannelUser, type EventLoop, NetError, type TurnEndTask } from '@ambit/net';

/** How the bytes of one direction arrive. */
export interface MemoryChannelOptions {
  /** How many of `waiting` bytes the next delivery has; default all. At least 1. */
  readonly cut?: (waiting: number) => number;
  /** `write` answers false above this. */
  readonly highBytes?: number;
}

/** What an idle check looks at: bytes and ends that moved. */
export class Activity {
  count = 0;
}

/**
 * One end of a pair of channels in memory. What is written in a turn of the loop reaches the other end at the turn's end, in
 * pieces, one a turn.
 */
export class MemoryChannel implements ByteChannel, TurnEndTask {
  readonly #loop: EventLoop;
  readonly #options: MemoryChannelOptions;
  readonly activity: Activity;
  peer: MemoryChannel | undefined;
  user: ByteChannelUser | undefined;
  /** Calls of `write`, and turns in which something left. */
  writes = 0;
  isPaused = false;
  isClosed = false;
  isEndWritten = false;
  #isEndDelivered = false;
  #waiting: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #wantsWritable = false;
  #isScheduled = false;

  constructor(loop: EventLoop, activity: Activity, options: MemoryChannelOptions) {
    this.#loop = loop;
    this.activity = activity;
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#waiting.length;
  }

  attach(user: ByteChannelUser): void {
    this.user = user;
    this.peer?.schedule();
  }

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.isClosed || this.isEndWritten) return true;
    this.writes += 1;
    this.#waiting = Buffer.concat([this.#waiting, buffer.subarray(offset, offset + length)]);
    this.schedule();
    if (this.#waiting.length <= (this.#options.highBytes ?? 65_536)) return true;
    this.#wantsWritable = true;
    return false;
  }

  flush(): void {
    // Leaves at the turn's end, as everything here.
  }

  end(): void {
    this.isEndWritten = true;
    this.schedule();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.peer?.schedule();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.activity.count += 1;
    // An end that was written is delivered before the connection goes.
    if (!this.isEndWritten) this.peer?.lose();
  }

  /** The peer has gone without an end. */
  lose(): void {
    if (this.isClosed) return;
    this.#isLost = true;
    this.schedule();
  }
  #isLost = false;

  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#loop.atTurnEnd(this);
  }

  onTurnEnd(): void {
    this.#isScheduled = false;
    if (this.#isLost && !this.isClosed) {
      this.isClosed = true;
      this.activity.count += 1;
      this.user?.onLost(new NetError('CHANNEL_LOST', 'read: ECONNRESET'));
      return;
    }
    const { peer } = this;
    if (peer?.user === undefined || peer.isPaused || this.#isEndDelivered) return;
    if (this.#waiting.length > 0) this.#deliver(peer);
    else if (this.isEndWritten) this.#deliverEnd(peer);
    if (this.#waiting.length > 0 || (this.isEndWritten && !this.#isEndDelivered)) this.schedule();
  }

  #deliver(peer: MemoryChannel): void {
    const cut = Math.max(1, Math.min(this.#waiting.length, this.#options.cut?.(this.#waiting.length) ?? Infinity));
    // At an offset, in a buffer that is worthless afterwards.
    const buffer = Buffer.alloc(cut + 7, 0xee);
    this.#waiting.copy(buffer, 5, 0, cut);
    this.#waiting = this.#waiting.subarray(cut);
    this.activity.count += 1;
    if (!peer.isClosed) peer.user?.onBytes(buffer, 5, cut);
    buffer.fill(0xee);
    if (this.#wantsWritable && this.#waiting.length <= (this.#options.highBytes ?? 65_536) / 4 && !this.isClosed) {
      this.#wantsWritable = false;
      this.user?.onWritable();
    }
  }

  #deliverEnd(peer: MemoryChannel): void {
    this.#isEndDelivered = true;
    this.activity.count += 1;
    if (!peer.isClosed) peer.user?.onEnd();
  }
}

export interface MemoryPair {
  readonly left: MemoryChannel;
  readonly right: MemoryChannel;
  /** Turns the loop until nothing moves. */
  settle(): void;
}

/** Two channels that are connected. `toRight` is about what the left one writes. */
export function memoryPair(
  loop: EventLoop,
  toRight: MemoryChannelOptions = {},
  toLeft: MemoryChannelOptions = toRight,
): MemoryPair {
  const activity = new Activity();
  const left = new MemoryChannel(loop, activity, toRight);
  const right = new MemoryChannel(loop, activity, toLeft);
  left.peer = right;
  right.peer = left;
  return { left, right, settle: () => settle(loop, [activity]) };
}

/** Turns the loop until no channel of these has moved anything for some turns. */
export function settle(loop: EventLoop, activities: readonly Activity[]): void {
  let quiet = 0;
  let last = -1;
  for (let turns = 0; quiet < 4; turns++) {
    if (turns > 200_000) throw new Error('the channels never come to rest');
    loop.runOnce(0);
    const count = activities.reduce((sum, activity) => sum + activity.count, 0);
    quiet = count === last ? quiet + 1 : 0;
    last = count;
  }
}

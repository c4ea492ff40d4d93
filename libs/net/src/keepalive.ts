import { Deadline, type DeadlineUser } from './deadline.ts';
import type { EventLoop } from './event-loop.ts';

/** What a Keepalive drives. */
export interface KeepaliveTarget {
  sendPing(): void;
  onPingTimeout(): void;
}

/**
 * PING after silence; the connection is given up when no sign of life comes in time. What counts as one, its owner decides:
 * any byte, or only the answer to a PING, which is then sent at an interval.
 */
export class Keepalive implements DeadlineUser {
  readonly #target: KeepaliveTarget;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #deadline: Deadline;
  #isWaiting = false;

  constructor(loop: EventLoop, target: KeepaliveTarget, intervalMs: number, timeoutMs: number) {
    this.#target = target;
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    this.#deadline = new Deadline(loop, this);
    this.#deadline.set(intervalMs);
  }

  /** A PING is not answered yet. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  onSignOfLife(): void {
    this.#isWaiting = false;
    this.#deadline.set(this.#intervalMs);
  }

  onDeadline(): void {
    if (this.#isWaiting) return this.#target.onPingTimeout();
    this.#isWaiting = true;
    this.#deadline.set(this.#timeoutMs);
    this.#target.sendPing();
  }

  stop(): void {
    this.#deadline.stop();
  }
}

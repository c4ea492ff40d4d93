import type { EventLoop, TimerHandler, TimerId } from '@ambit/net';

/** What a Keepalive drives. */
export interface KeepaliveTarget {
  sendPing(): void;
  onPingTimeout(): void;
}

/**
 * PING at an interval, counted from the connection's start and then from each answer; the connection is given up when an
 * answer does not come in time. Spec: data-plane 1.2.
 */
export class Keepalive implements TimerHandler {
  readonly #loop: EventLoop;
  readonly #target: KeepaliveTarget;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  #timer: TimerId | undefined;
  #isWaiting = false;

  constructor(loop: EventLoop, target: KeepaliveTarget, intervalMs: number, timeoutMs: number) {
    this.#loop = loop;
    this.#target = target;
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    this.#timer = loop.setTimer(intervalMs, this);
  }

  onTimer(): void {
    this.#timer = undefined;
    if (this.#isWaiting) {
      this.#target.onPingTimeout();
      return;
    }
    this.#isWaiting = true;
    this.#timer = this.#loop.setTimer(this.#timeoutMs, this);
    this.#target.sendPing();
  }

  onAnswer(): void {
    if (!this.#isWaiting) return;
    this.stop();
    this.#isWaiting = false;
    this.#timer = this.#loop.setTimer(this.#intervalMs, this);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#loop.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

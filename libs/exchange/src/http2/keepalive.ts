import type { EventLoop } from '@ambit/net';

import type { Http2Settings } from '../connection-settings.ts';
import { Deadline, type DeadlineUser } from '../deadline.ts';

/** What a Keepalive drives. */
export interface KeepaliveTarget {
  sendPing(opaque: Uint8Array): void;
  onPingTimeout(): void;
}

const payload: Uint8Array = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** PING after silence; the connection is given up when nothing at all comes in time. */
export class Keepalive implements DeadlineUser {
  readonly #target: KeepaliveTarget;
  readonly #settings: Http2Settings;
  readonly #deadline: Deadline;
  #isWaiting = false;

  constructor(loop: EventLoop, target: KeepaliveTarget, settings: Http2Settings) {
    this.#target = target;
    this.#settings = settings;
    this.#deadline = new Deadline(loop, this);
    this.#deadline.set(settings.pingIntervalMs);
  }

  onBytes(): void {
    this.#isWaiting = false;
    this.#deadline.set(this.#settings.pingIntervalMs);
  }

  onDeadline(): void {
    if (this.#isWaiting) return this.#target.onPingTimeout();
    this.#isWaiting = true;
    this.#deadline.set(this.#settings.pingTimeoutMs);
    this.#target.sendPing(payload);
  }

  stop(): void {
    this.#deadline.stop();
  }
}

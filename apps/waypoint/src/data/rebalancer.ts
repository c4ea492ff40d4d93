import type { EventLoop } from '@ambit/net';

import type { LiveConnection, LiveConnections } from './live-connection.ts';

/** Connections move within this time after a scale-out: not all at once, as each of them is made anew. */
const moveMs = 10_000;
const tickMs = 100;
/** What a new replica is to have of the mean load, at least. */
const newShare = 0.8;
/** What an old one may keep of it, at most. */
const oldShare = 1.05;

/**
 * The part of its connections that a replica sends away when `before` replicas have become `now`. Who comes again is spread over
 * all of them, so that a new one gets that part of the mean, and an old one keeps `(1 - part) * now / before + part` of it.
 */
export function movedShare(before: number, now: number): number {
  if (before <= 0 || now <= before) return 0;
  const growth = now / before;
  return Math.max(newShare, (growth - oldShare) / (growth - 1));
}

export interface RebalancerOptions {
  readonly loop: EventLoop;
  readonly live: LiveConnections;
  /** 0: not known. */
  readonly replicas: () => number;
  readonly random: () => number;
  readonly onMoving: (before: number, now: number, count: number) => void;
}

/**
 * Long-lived connections stay where they were made, so a new replica would stand idle. When replicas are added, part of the
 * connections are asked to come again: GOAWAY on HTTP/2, `connection: close` with the next answer on HTTP/1.1. Requests that run
 * are not touched, and connections that are not HTTP stay.
 */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  #known = 0;
  /** Replicas before the move that is under way; a second one on top of it starts from the same load. */
  #before = 0;
  #leaving: LiveConnection[] = [];
  #perTick = 0;
  #isTicking = false;

  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  /** Compares the number of replicas with that of the last time. */
  look(): void {
    const { replicas, live, random, onMoving } = this.#options;
    const now = replicas();
    if (now === 0) return;
    const last = this.#known;
    this.#known = now;
    if (movedShare(last, now) === 0) return;
    const before = this.#isTicking ? Math.min(this.#before, last) : last;
    this.#before = before;
    const share = movedShare(before, now);
    this.#leaving = shuffled(
      [...live].filter(() => random() < share),
      random,
    );
    this.#perTick = Math.max(1, Math.ceil((this.#leaving.length * tickMs) / moveMs));
    onMoving(before, now, this.#leaving.length);
    if (!this.#isTicking) this.#tick();
  }

  #tick(): void {
    for (const connection of this.#leaving.splice(0, this.#perTick)) connection.leave();
    this.#isTicking = this.#leaving.length > 0;
    if (this.#isTicking) this.#options.loop.setTimer(tickMs, { onTimer: () => this.#tick() });
  }
}

function shuffled<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [list[i], list[j]];
    if (a === undefined || b === undefined) continue;
    list[i] = b;
    list[j] = a;
  }
  return list;
}

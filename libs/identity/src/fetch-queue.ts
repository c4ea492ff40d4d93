/**
 * Which identity is fetched next: real-time before warm-up before refresh, first come first served within a priority.
 * Pure bookkeeping; the certificate manager starts the fetches.
 */
import type { SpiffeId } from './spiffe-id.ts';

/** Why a certificate is wanted, most urgent first. */
export const fetchPriorities = ['real-time', 'warm-up', 'refresh'] as const;

/** `real-time`: a connection waits; `warm-up`: a workload appeared; `refresh`: half of the lifetime is over. */
export type FetchPriority = (typeof fetchPriorities)[number];

/** An identity is in the queue at most once, so its length is bounded by the number of managed identities. */
export class FetchQueue {
  readonly #waiting: Readonly<Record<FetchPriority, Set<SpiffeId>>> = {
    'real-time': new Set(),
    'warm-up': new Set(),
    refresh: new Set(),
  };

  /** Identities waiting. */
  get size(): number {
    return fetchPriorities.reduce((sum, priority) => sum + this.#waiting[priority].size, 0);
  }

  /** Adds an identity, or moves it up if it waits with a lower priority; never moves it down. */
  add(identity: SpiffeId, priority: FetchPriority): void {
    for (const level of fetchPriorities) {
      if (this.#waiting[level].has(identity)) {
        if (fetchPriorities.indexOf(level) <= fetchPriorities.indexOf(priority)) return;
        this.#waiting[level].delete(identity);
      }
    }
    this.#waiting[priority].add(identity);
  }

  /** Takes the most urgent identity; undefined if none waits. */
  take(): SpiffeId | undefined {
    for (const level of fetchPriorities) {
      for (const identity of this.#waiting[level]) {
        this.#waiting[level].delete(identity);
        return identity;
      }
    }
    return undefined;
  }

  /** Takes an identity out, wherever it is. */
  remove(identity: SpiffeId): void {
    for (const level of fetchPriorities) this.#waiting[level].delete(identity);
  }
}

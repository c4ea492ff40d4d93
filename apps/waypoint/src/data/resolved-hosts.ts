import type { EventLoop } from '@ambit/net';

/** A name in use is asked for again as often, so that the control thread keeps it up to date. */
const askAgainMs = 60_000;
/** More names than this are not followed. */
const defaultMaxNames = 10_000;

/** Addresses of host names as the control thread resolves them. */
export class ResolvedHosts {
  readonly #loop: EventLoop;
  readonly #ask: (hostname: string) => void;
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #askedMs = new Map<string, number>();
  readonly #maxNames: number;

  constructor(loop: EventLoop, ask: (hostname: string) => void, maxNames: number = defaultMaxNames) {
    this.#loop = loop;
    this.#ask = ask;
    this.#maxNames = maxNames;
  }

  /** Empty as long as they are not known; asks for them. */
  addresses(hostname: string): readonly string[] {
    return this.lookUp(hostname) ?? [];
  }

  /** For names that clients choose: the one that was asked for first makes room. Undefined as long as nobody knows. */
  lookUpAny(hostname: string): readonly string[] | undefined {
    const oldest = this.#askedMs.size >= this.#maxNames ? this.#askedMs.keys().next().value : undefined;
    if (oldest !== undefined && !this.#askedMs.has(hostname)) {
      this.#askedMs.delete(oldest);
      this.#addresses.delete(oldest);
    }
    return this.lookUp(hostname);
  }

  lookUp(hostname: string): readonly string[] | undefined {
    const asked = this.#askedMs.get(hostname);
    if (asked === undefined ? this.#askedMs.size < this.#maxNames : this.#loop.nowMs - asked >= askAgainMs) {
      this.#askedMs.set(hostname, this.#loop.nowMs);
      this.#ask(hostname);
    }
    return this.#addresses.get(hostname);
  }

  put(hostname: string, addresses: readonly string[]): void {
    // An empty answer is none, as long as there was one.
    if (!this.#askedMs.has(hostname) || (addresses.length === 0 && this.#addresses.has(hostname))) return;
    this.#addresses.set(hostname, addresses);
  }
}

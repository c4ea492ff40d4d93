import type { EventLoop } from '@ambit/net';

/** A name in use is asked for again as often, so that the control thread keeps it up to date. */
const askAgainMs = 60_000;
/** Names are the configuration's, not clients'; more than this are not followed. */
const maxNames = 10_000;

/** Addresses of host names as the control thread resolves them. */
export class ResolvedHosts {
  readonly #loop: EventLoop;
  readonly #ask: (hostname: string) => void;
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #askedMs = new Map<string, number>();

  constructor(loop: EventLoop, ask: (hostname: string) => void) {
    this.#loop = loop;
    this.#ask = ask;
  }

  /** Empty as long as they are not known; asks for them. */
  addresses(hostname: string): readonly string[] {
    const asked = this.#askedMs.get(hostname);
    if (asked === undefined ? this.#askedMs.size < maxNames : this.#loop.nowMs - asked >= askAgainMs) {
      this.#askedMs.set(hostname, this.#loop.nowMs);
      this.#ask(hostname);
    }
    return this.#addresses.get(hostname) ?? [];
  }

  put(hostname: string, addresses: readonly string[]): void {
    this.#addresses.set(hostname, addresses);
  }
}

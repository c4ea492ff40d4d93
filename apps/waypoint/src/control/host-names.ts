/** Follows the addresses of host names that workers ask for: endpoints of ServiceEntries with DNS. */

export interface HostNamesOptions {
  /** Rejects when there is no answer. */
  readonly resolve: (hostname: string) => Promise<readonly string[]>;
  /** To every worker, when addresses are new or have changed. */
  readonly publish: (hostname: string, addresses: readonly string[]) => void;
}

const intervalMs = 15_000;
/** Workers bound what they ask for; what they have forgotten is still here for a while. */
const maxNames = 50_000;
/** A name that nobody asked for lately is not followed any more. */
const forgottenMs = 10 * 60_000;

interface Followed {
  askedMs: number;
  /** As published, sorted; undefined before the first answer. */
  addresses: string | undefined;
  isResolving: boolean;
}

export class HostNames implements Disposable {
  readonly #options: HostNamesOptions;
  readonly #names = new Map<string, Followed>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: HostNamesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.refresh(), intervalMs).unref();
  }

  want(hostname: string): void {
    const known = this.#names.get(hostname);
    if (known !== undefined) {
      known.askedMs = performance.now();
      // Another worker has not heard of it: said again to all.
      if (known.addresses !== undefined) this.#options.publish(hostname, split(known.addresses));
      return;
    }
    if (this.#names.size >= maxNames) return;
    const followed = { askedMs: performance.now(), addresses: undefined, isResolving: false };
    this.#names.set(hostname, followed);
    void this.#resolve(hostname, followed);
  }

  /** Looks all names up again; the timer does this. */
  refresh(): void {
    const now = performance.now();
    for (const [hostname, followed] of this.#names) {
      if (now - followed.askedMs > forgottenMs) this.#names.delete(hostname);
      else void this.#resolve(hostname, followed);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** A name that does not resolve for a while keeps its last addresses. */
  async #resolve(hostname: string, followed: Followed): Promise<void> {
    if (followed.isResolving) return;
    followed.isResolving = true;
    try {
      const addresses = [...new Set(await this.#options.resolve(hostname))].toSorted().join(' ');
      if (addresses === '' || addresses === followed.addresses) return;
      followed.addresses = addresses;
      this.#options.publish(hostname, split(addresses));
    } catch {
      // Tried again with the next round. Who waits for it is told that there is none for now.
      if (followed.addresses === undefined) this.#options.publish(hostname, []);
    } finally {
      followed.isResolving = false;
    }
  }
}

function split(addresses: string): readonly string[] {
  return addresses.split(' ');
}

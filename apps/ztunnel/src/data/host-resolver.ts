import type { FromWorker } from '../worker-protocol.ts';

/** Takes the addresses of a host name; none when it has none or cannot be resolved. */
export type OnHostResolved = (addresses: readonly string[]) => void;

/** Asks the control thread for the addresses of host names; questions for one name share a query. */
export class HostResolver {
  readonly #post: (message: FromWorker) => void;
  readonly #queries = new Map<number, { readonly hostname: string; readonly waiting: OnHostResolved[] }>();
  readonly #byHostname = new Map<string, number>();
  #next = 1;

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  resolve(hostname: string, onResolved: OnHostResolved): void {
    const running = this.#queries.get(this.#byHostname.get(hostname) ?? 0);
    if (running !== undefined) {
      running.waiting.push(onResolved);
      return;
    }
    const query = this.#next++;
    this.#queries.set(query, { hostname, waiting: [onResolved] });
    this.#byHostname.set(hostname, query);
    this.#post({ kind: 'resolveHost', query, hostname });
  }

  /** The control thread's answer; an unknown query is ignored. */
  answer(query: number, addresses: readonly string[]): void {
    const asked = this.#queries.get(query);
    if (asked === undefined) return;
    this.#queries.delete(query);
    this.#byHostname.delete(asked.hostname);
    for (const onResolved of asked.waiting) onResolved(addresses);
  }
}

import type { PortMap } from './workload.ts';

/**
 * Numbers for port lists: the endpoints of a mesh share a handful of them. Never forgets; the
 * number of different lists is that of different services, not of endpoints.
 */
export class PortLists {
  readonly #ids = new Map<string, number>();
  readonly #lists: PortMap[] = [];

  /** The number of a list, given out when it is new. */
  id(ports: PortMap): number {
    const pairs = [...ports].sort(([a], [b]) => a - b);
    const text = pairs.join(';');
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#lists.length;
      this.#ids.set(text, id);
      this.#lists.push(new Map(pairs));
    }
    return id;
  }

  get(id: number): PortMap | undefined {
    return this.#lists[id];
  }
}

import type { Buffer } from 'node:buffer';
import type { PortMap } from './workload.ts';

/**
 * Numbers for port lists: the endpoints of a mesh share a handful of them. Found by their encoding. Never forgets; the
 * number of different lists is that of different services, not of endpoints.
 */
export class PortLists {
  readonly #byContent = new Map<string, number>();
  readonly #byEncoding = new Map<string, number>();
  readonly #lists: PortMap[] = [];

  /** The number of a list, given out when it is new. */
  id(ports: PortMap): number {
    const pairs = [...ports].sort(([a], [b]) => a - b);
    const text = pairs.join(';');
    let id = this.#byContent.get(text);
    if (id === undefined) {
      id = this.#lists.length;
      this.#byContent.set(text, id);
      this.#lists.push(new Map(pairs));
    }
    return id;
  }

  /** The number of the list that is encoded in these bytes, or -1 when the encoding is new. */
  find(bytes: Buffer, start: number, end: number): number {
    return this.#byEncoding.get(bytes.toString('latin1', start, end)) ?? -1;
  }

  /** Remembers an encoding of a list. */
  idOfBytes(bytes: Buffer, start: number, end: number, ports: PortMap): number {
    const id = this.id(ports);
    this.#byEncoding.set(bytes.toString('latin1', start, end), id);
    return id;
  }

  get(id: number): PortMap | undefined {
    return this.#lists[id];
  }
}

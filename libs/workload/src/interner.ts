/**
 * Numbers for strings that repeat (networks, nodes, zones, clusters). Never forgets: their number
 * is that of the places of a mesh, not that of its workloads.
 */
export class Interner {
  readonly #ids = new Map<string, number>();

  /** The number of a string, given out when it is new. */
  id(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(text, id);
    }
    return id;
  }

  /** The number of a string, or -1 when no record has it. */
  find(text: string): number {
    return this.#ids.get(text) ?? -1;
  }
}

/** What a graph has to know of a collection. */
export interface GraphNode {
  /** Brings the items up to date with what they are derived from. */
  recompute(): void;
  /** Something changed since the last `publish`. */
  readonly hasChanges: boolean;
  /** Tells subscribers the difference to the last settled state. */
  publish(): void;
}

/**
 * Collections that are updated together. Sources change inside `update`; when the outermost call returns, everything
 * derived from them is up to date and subscribers were told, each at most once.
 */
export class Graph {
  readonly #nodes: GraphNode[] = [];
  readonly #settled = new Set<() => void>();
  #depth = 0;
  #isSettling = false;

  /** Applies changes to sources as one batch. Calls may be nested. An error leaves what was changed so far in force. */
  update(change: () => void): void {
    if (this.#isSettling) throw new Error('sources must not be updated while derived collections are');
    this.#depth++;
    try {
      change();
    } finally {
      this.#depth--;
      if (this.#depth === 0) this.#settle();
    }
  }

  /** Calls back after every update that changed anything, when all collections are consistent again. */
  onSettled(handler: () => void): Disposable {
    this.#settled.add(handler);
    return { [Symbol.dispose]: () => void this.#settled.delete(handler) };
  }

  /** Adds a collection; returns its rank. For implementations of collections. */
  register(node: GraphNode): number {
    this.#nodes.push(node);
    return this.#nodes.length - 1;
  }

  #settle(): void {
    this.#isSettling = true;
    try {
      // Collections only read those registered before them, so one pass in this order reaches a fixed point.
      for (const node of this.#nodes) node.recompute();
      const changed = this.#nodes.filter((node) => node.hasChanges);
      for (const node of changed) node.publish();
      if (changed.length > 0) for (const handler of this.#settled) handler();
    } finally {
      this.#isSettling = false;
    }
  }
}

const remembered = 256;

/** Streams that we reset lately: what the peer sent before it knew is dropped without complaint. */
export class RecentResets {
  readonly #ids = new Set<number>();

  add(streamId: number): void {
    if (this.#ids.size >= remembered) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
    this.#ids.add(streamId);
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId);
  }
}

/**
 * Which names of one type changed since a moment, so that a stream remembers a number instead of names. A slow stream
 * costs nothing of its own: what it missed is kept once for all, as at most {@link MAX_BATCHES} sets of names.
 */

/** Beyond this the two oldest batches become one: streams further behind are then told a few names too many. */
const MAX_BATCHES = 32;

interface Batch {
  /** The batch holds changes of generations up to this one. */
  through: number;
  readonly names: Set<string>;
}

export class ChangeLog {
  readonly #batches: Batch[] = [];

  /** Notes names that changed in this generation, which is higher than all before. */
  append(generation: number, names: Iterable<string>): void {
    this.#batches.push({ through: generation, names: new Set(names) });
    const [oldest, next] = this.#batches;
    if (this.#batches.length <= MAX_BATCHES || oldest === undefined || next === undefined) return;
    for (const name of next.names) oldest.names.add(name);
    oldest.through = next.through;
    this.#batches.splice(1, 1);
  }

  /** Forgets changes of this generation and before: every reader has got past it. */
  forget(generation: number): void {
    let count = 0;
    while ((this.#batches[count]?.through ?? Number.POSITIVE_INFINITY) <= generation) count += 1;
    if (count > 0) this.#batches.splice(0, count);
  }

  /** Did anything change after this generation? */
  hasSince(generation: number): boolean {
    return (this.#batches.at(-1)?.through ?? 0) > generation;
  }

  /**
   * Names that changed after this generation, each once, possibly with some that changed just before it.
   * `mark` is the same for all generations that are given the same names.
   */
  since(generation: number): { readonly mark: number; readonly names: ReadonlySet<string> } {
    const first = this.#batches.findIndex(({ through }) => through > generation);
    const batches = first === -1 ? [] : this.#batches.slice(first);
    const [only] = batches;
    const mark = only?.through ?? 0;
    if (only !== undefined && batches.length === 1) return { mark, names: only.names };
    const names = new Set<string>();
    for (const batch of batches) for (const name of batch.names) names.add(name);
    return { mark, names };
  }
}

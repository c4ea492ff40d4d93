/** Changes to workloads and services on their way from the arena to the stores of other threads. */
export interface AddressBatch {
  /** Memory the receiver has not seen yet. */
  readonly segments: readonly { readonly id: number; readonly memory: SharedArrayBuffer }[];
  /**
   * In order, three numbers a change: segment, offset and length of a new record, or 0, an index
   * into `removed`, and 0.
   */
  readonly changes: Uint32Array;
  /** Names of resources that are gone. */
  readonly removed: readonly string[];
  /** Segments without a live record once the changes are applied. */
  readonly dropped: readonly number[];
}

/** Number of changes in a batch. */
export function changeCount(batch: AddressBatch): number {
  return batch.changes.length / 3;
}

/** Hands out small integer ids and takes them back; freed ids are used again first. */
export class IdPool {
  #next = 0;
  readonly #free: number[] = [];

  /** Ids below this number have been handed out at some time. */
  get high(): number {
    return this.#next;
  }

  get live(): number {
    return this.#next - this.#free.length;
  }

  take(): number {
    return this.#free.pop() ?? this.#next++;
  }

  give(id: number): void {
    this.#free.push(id);
  }
}

/** A Uint32Array that grows by half its size when an index lies beyond it. */
export function grown(array: Uint32Array, index: number): Uint32Array {
  if (index < array.length) return array;
  const larger = new Uint32Array(Math.max(index + 1, Math.ceil(array.length * 1.5), 64));
  larger.set(array);
  return larger;
}

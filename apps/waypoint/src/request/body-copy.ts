/** Bytes that copies of bodies may take together on one worker: retries are given up before memory is. */
export class CopyBudget {
  #restBytes: number;

  constructor(maxBytes: number) {
    this.#restBytes = maxBytes;
  }

  get restBytes(): number {
    return this.#restBytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#restBytes) return false;
    this.#restBytes -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#restBytes += bytes;
  }
}

/** Who gets the kept bytes. */
interface ByteSink {
  write(buffer: Uint8Array, offset: number, length: number): boolean;
}

/**
 * The body so far, kept so that it can be sent (again). Whole or nothing: beyond its limit, or the worker's, it forgets
 * everything and takes nothing more. Must be dropped in the end.
 */
export class BodyCopy {
  readonly #budget: CopyBudget;
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isWhole = true;

  constructor(budget: CopyBudget, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
  }

  /** Everything that came is here. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies; false if there was no room and the copy is gone. */
  append(buffer: Uint8Array, offset: number, length: number): boolean {
    if (!this.#isWhole) return false;
    if (this.#bytes + length > this.#maxBytes || !this.#budget.take(length)) {
      this.drop();
      return false;
    }
    this.#chunks.push(buffer.slice(offset, offset + length));
    this.#bytes += length;
    return true;
  }

  /** Sends all of it; false as the sink says after the last piece. */
  writeTo(sink: ByteSink): boolean {
    let isReady = true;
    for (const chunk of this.#chunks) isReady = sink.write(chunk, 0, chunk.length);
    return isReady;
  }

  /** As one piece, for those who need it so. */
  toBuffer(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  drop(): void {
    this.#budget.giveBack(this.#bytes);
    this.#chunks = [];
    this.#bytes = 0;
    this.#isWhole = false;
  }
}

import { FRAME_PREFIX_BYTES } from '@ambit/grpc';

/** Counts the messages of a gRPC body while it passes: a flag byte, four bytes of length, then the message. */
export class GrpcMessageCounter {
  count = 0;
  /** Bytes of the prefix that have come. */
  #prefix = 0;
  #length = 0;
  /** Bytes of the message that are still to come. */
  #rest = 0;

  /** Looks at a piece of the body. */
  pass(buffer: Uint8Array, offset: number, length: number): void {
    const end = offset + length;
    let at = offset;
    while (at < end) {
      if (this.#rest > 0) {
        const skipped = Math.min(this.#rest, end - at);
        this.#rest -= skipped;
        at += skipped;
        continue;
      }
      if (this.#prefix > 0) this.#length = this.#length * 256 + (buffer[at] ?? 0);
      at += 1;
      this.#prefix += 1;
      if (this.#prefix < FRAME_PREFIX_BYTES) continue;
      this.count += 1;
      this.#rest = this.#length;
      this.#prefix = 0;
      this.#length = 0;
    }
  }
}

import type { ReceiveCredit } from '@ambit/http';

import type { Http2Stream } from './http2-stream.ts';

const scratchBytes = 16 * 1024;
let scratch: Uint8Array | undefined;

/** What streams received while their users were paused, given to them after `resume`. */
export class Untaken {
  readonly #credit: ReceiveCredit<Http2Stream>;
  #resuming: Http2Stream[] = [];

  constructor(credit: ReceiveCredit<Http2Stream>) {
    this.#credit = credit;
  }

  /** New bytes of this stream, or its end, come after others that wait. */
  mustWait(stream: Http2Stream): boolean {
    return stream.isPaused || stream.untaken.length > 0 || stream.hasUntakenEnd;
  }

  /** True when there is something to deliver. */
  add(stream: Http2Stream): boolean {
    if (stream.isResuming || (stream.untaken.length === 0 && !stream.hasUntakenEnd)) return stream.isResuming;
    stream.isResuming = true;
    this.#resuming.push(stream);
    return true;
  }

  deliver(): void {
    if (this.#resuming.length === 0) return;
    const streams = this.#resuming;
    this.#resuming = [];
    for (const stream of streams) {
      stream.isResuming = false;
      this.#deliverTo(stream);
    }
  }

  /** Nobody wants it any more; the connection's window is given back. */
  drop(stream: Http2Stream): void {
    const bytes = stream.untaken.length;
    stream.untaken.clear();
    stream.hasUntakenEnd = false;
    if (bytes > 0) this.#credit.releaseConnection(bytes);
  }

  #deliverTo(stream: Http2Stream): void {
    const buffer = (scratch ??= new Uint8Array(scratchBytes));
    while (!stream.isPaused && stream.untaken.length > 0) {
      // Out of the queue first, as its user may empty it.
      let length = 0;
      stream.untaken.drainTo((bytes, offset, available) => {
        const take = Math.min(available, buffer.length - length);
        buffer.set(bytes.subarray(offset, offset + take), length);
        length += take;
        return take;
      });
      stream.user?.onBody(buffer, 0, length);
      this.#credit.release(stream, length);
    }
    if (stream.isPaused || !stream.hasUntakenEnd) return;
    stream.hasUntakenEnd = false;
    stream.user?.onEnd(stream.untakenTrailers);
  }
}

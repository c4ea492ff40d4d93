/**
 * Bounds the bytes of large answers that transports hold at once. A transport copies what it is given before the network
 * takes it: a thousand clients that start together and are all answered in one moment cost a thousand copies (measured by
 * `npm run bench -- control-plane`: 2.6 GB). So a large answer begins when there is room, and the others wait their turn.
 */

/** Room that one answer takes. Disposing gives it back, once. */
export type SendLease = Disposable;

/** Smaller answers need no room. */
const LARGE_BYTES = 64 * 1024;
/** A transport holds at most about the client's flow-control window of an answer, not all of it. */
const WINDOW_BYTES = 4 * 1024 * 1024;

export class SendBudget {
  readonly #maxBytes: number;
  readonly #onRoom: () => void;
  #usedBytes = 0;
  #isWanted = false;

  /** `onRoom` is called when there is room again and somebody was told to wait for it. */
  constructor(maxBytes: number, onRoom: () => void) {
    this.#maxBytes = maxBytes;
    this.#onRoom = onRoom;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** May an answer of this length begin? If not, `onRoom` tells when to ask again. */
  hasRoom(bytes: number): boolean {
    if (bytes < LARGE_BYTES || this.#usedBytes < this.#maxBytes) return true;
    this.#isWanted = true;
    return false;
  }

  /** An answer is with its transport. */
  take(bytes: number): SendLease {
    let taken = bytes < LARGE_BYTES ? 0 : Math.min(bytes, WINDOW_BYTES);
    this.#usedBytes += taken;
    return {
      [Symbol.dispose]: () => {
        this.#usedBytes -= taken;
        taken = 0;
        if (!this.#isWanted || this.#usedBytes >= this.#maxBytes) return;
        this.#isWanted = false;
        this.#onRoom();
      },
    };
  }
}

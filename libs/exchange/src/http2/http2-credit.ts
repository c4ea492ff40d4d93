import { defaultWindowBytes, ReceiveWindow } from '@ambit/http';

import type { Http2Frames } from './http2-frames.ts';
import type { Http2Stream } from './http2-stream.ts';

/** What the peer may send on the connection, and the WINDOW_UPDATEs that give it more of that and of its streams. */
export class Http2Credit {
  readonly #window: ReceiveWindow;
  readonly #frames: Http2Frames;
  readonly #onGiven: () => void;

  /** Opens the window to `windowBytes`. */
  constructor(windowBytes: number, frames: Http2Frames, onGiven: () => void) {
    this.#window = new ReceiveWindow(0, windowBytes, defaultWindowBytes);
    this.#frames = frames;
    this.#onGiven = onGiven;
  }

  open(): void {
    const increment = this.#window.open();
    if (increment > 0) this.#frames.windowUpdate(0, increment);
  }

  /** A DATA frame came. @throws Http2Error if the peer overran the window. */
  receive(bytes: number): void {
    this.#window.receive(bytes);
  }

  /** Bytes of a stream were taken. */
  release(stream: Http2Stream, bytes: number): void {
    if (stream.canReceive) {
      const increment = stream.receiveWindow.release(bytes);
      if (increment > 0) {
        this.#frames.windowUpdate(stream.id, increment);
        this.#onGiven();
      }
    }
    this.releaseConnection(bytes);
  }

  /** Bytes of a stream that nobody has any more. */
  releaseConnection(bytes: number): void {
    const increment = this.#window.release(bytes);
    if (increment === 0) return;
    this.#frames.windowUpdate(0, increment);
    this.#onGiven();
  }
}

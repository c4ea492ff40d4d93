import type { ReceiveWindow } from '@ambit/http';

import type { Http2Frames } from './http2-frames.ts';
import type { Http2Stream } from './http2-stream.ts';

/** The WINDOW_UPDATEs that let the peer send more on the connection and its streams. */
export class Http2Credit {
  readonly #window: ReceiveWindow;
  readonly #frames: Http2Frames;
  readonly #onGiven: () => void;

  /** `window`: of the connection. */
  constructor(window: ReceiveWindow, frames: Http2Frames, onGiven: () => void) {
    this.#window = window;
    this.#frames = frames;
    this.#onGiven = onGiven;
  }

  open(): void {
    const increment = this.#window.open();
    if (increment > 0) this.#frames.windowUpdate(0, increment);
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

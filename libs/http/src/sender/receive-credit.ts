import type { ReceiveWindow } from '../flow-window.ts';
import type { Http2Frames } from './http2-frames.ts';

/** A stream as far as its peer's credit goes. */
export interface CreditedStream {
  readonly id: number;
  /** The peer has not ended its direction. */
  readonly canReceive: boolean;
  readonly receiveWindow: ReceiveWindow;
}

/** The WINDOW_UPDATEs that let the peer send more on the connection and its streams. */
export class ReceiveCredit<Stream extends CreditedStream> {
  readonly #window: ReceiveWindow;
  readonly #frames: Http2Frames;
  readonly #onGiven: () => void;

  /** `window`: of the connection. `onGiven`: a frame is to be sent. */
  constructor(window: ReceiveWindow, frames: Http2Frames, onGiven: () => void) {
    this.#window = window;
    this.#frames = frames;
    this.#onGiven = onGiven;
  }

  /** At the start: the connection's window beyond what every connection has. */
  open(): void {
    const increment = this.#window.open();
    if (increment > 0) this.#frames.windowUpdate(0, increment);
  }

  /** Bytes of a stream were taken. */
  release(stream: Stream, bytes: number): void {
    if (stream.canReceive) {
      const increment = stream.receiveWindow.release(bytes);
      if (increment > 0) {
        this.#frames.windowUpdate(stream.id, increment + this.growth(stream));
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

  /** By how much a stream's window has been made larger now that credit is given. */
  protected growth(_stream: Stream): number {
    return 0;
  }
}

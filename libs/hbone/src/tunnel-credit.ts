import { type ReceiveWindow, ReceiveCredit } from '@ambit/http';

import type { StreamWindows } from './stream-windows.ts';
import type { TunnelFrames } from './tunnel-frames.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** Credit for the peer, with which the windows of streams grow whose bytes are taken as they come. */
export class TunnelCredit extends ReceiveCredit<TunnelStream> {
  readonly #windows: StreamWindows;

  constructor(window: ReceiveWindow, frames: TunnelFrames, windows: StreamWindows, onGiven: () => void) {
    super(window, frames, onGiven);
    this.#windows = windows;
  }

  protected override growth(stream: TunnelStream): number {
    return (stream.pending?.length ?? 0) === 0 ? this.#windows.grow(stream.receiveWindow) : 0;
  }
}

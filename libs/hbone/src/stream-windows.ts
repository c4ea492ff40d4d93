import { defaultWindowBytes, ReceiveWindow } from '@ambit/http';

import type { HboneSettings } from './hbone-settings.ts';

/** Smaller windows would cost more frames than they carry. */
const leastWindowBytes = 16_384;

/**
 * The windows of a connection and its streams. With shared ones, streams whose bytes nobody takes never use up the connection's: as
 * it is in the contract, four stopped downloads stop all tunnels of a connection. Every stream begins with an equal part of
 * one half; those whose bytes are taken as they come grow out of the rest, and give it back when they end.
 */
export class StreamWindows {
  /** SETTINGS_INITIAL_WINDOW_SIZE. */
  readonly initialBytes: number;
  readonly #connectionBytes: number;
  /** How much credit of the connection may be kept back from the peer. */
  readonly #stepBytes: number;
  readonly #mostBytes: number;
  #restBytes: number;

  constructor({ streamWindowBytes, connectionWindowBytes, ...settings }: HboneSettings, isServer: boolean) {
    this.#connectionBytes = connectionWindowBytes;
    this.#mostBytes = streamWindowBytes;
    if (!settings.sharesWindows) {
      this.initialBytes = streamWindowBytes;
      this.#stepBytes = Math.ceil(connectionWindowBytes / 2);
      this.#restBytes = 0;
      return;
    }
    const streams = isServer ? settings.serverMaxStreams : settings.poolMaxStreamsPerConnection;
    const part = Math.max(leastWindowBytes, Math.floor(connectionWindowBytes / 2 / streams));
    this.initialBytes = Math.min(streamWindowBytes, part);
    this.#stepBytes = Math.ceil(connectionWindowBytes / 16);
    this.#restBytes = Math.max(0, connectionWindowBytes - this.#stepBytes - this.initialBytes * streams);
  }

  /** The connection's own window. */
  ofConnection(): ReceiveWindow {
    return new ReceiveWindow(0, this.#connectionBytes, defaultWindowBytes, this.#stepBytes);
  }

  /** The stream's bytes were taken at once: doubles its window if there is room. By how much it grew. */
  grow(window: ReceiveWindow): number {
    const bytes = Math.min(window.size, this.#mostBytes - window.size, this.#restBytes);
    if (bytes <= 0) return 0;
    this.#restBytes -= bytes;
    window.grow(bytes);
    return bytes;
  }

  /** The stream has ended. */
  giveBack(window: ReceiveWindow): void {
    this.#restBytes += window.size - this.initialBytes;
  }
}

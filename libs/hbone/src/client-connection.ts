import type { EventLoop, TimerHandler, TimerId } from '@ambit/net';

import type { ByteTransport } from './byte-transport.ts';
import type { HboneError } from './hbone-error.ts';
import type { HboneSettings } from './hbone-settings.ts';
import { OutboundRequest } from './outbound-request.ts';
import type { ConnectCallback, ConnectRequest } from './outbound-request.ts';
import { TunnelConnection } from './tunnel-connection.ts';
import type { TunnelOwner } from './tunnel-owner.ts';

/**
 * A client connection with its rules of use: a stream limit that retires it for good, and release after disuse.
 * A retired connection serves its streams and closes after the last. Spec: data-plane 1.3.
 */
export class ClientConnection implements TunnelOwner, TimerHandler {
  readonly #loop: EventLoop;
  readonly #settings: HboneSettings;
  readonly #tunnel: TunnelConnection;
  readonly #onGone: (connection: ClientConnection) => void;
  #isRetired = false;
  #lastCheckoutMs: number;
  #timer: TimerId | undefined;

  constructor(
    loop: EventLoop,
    transport: ByteTransport,
    settings: HboneSettings,
    onGone: (connection: ClientConnection) => void,
  ) {
    this.#loop = loop;
    this.#settings = settings;
    this.#onGone = onGone;
    this.#lastCheckoutMs = loop.nowMs;
    this.#timer = loop.setTimer(settings.poolUnusedReleaseTimeoutMs, this);
    this.#tunnel = new TunnelConnection(loop, transport, 'client', settings, this);
  }

  get isUsable(): boolean {
    return !this.#isRetired && this.#tunnel.takesStreams && this.#tunnel.streams.size < this.#streamLimit;
  }

  get streamCount(): number {
    return this.#tunnel.streams.size;
  }

  /** Opens a stream; the caller has checked `isUsable`. @throws RangeError for an illegal request. */
  request(request: ConnectRequest, callback: ConnectCallback): OutboundRequest {
    this.#lastCheckoutMs = this.#loop.nowMs;
    const made = new OutboundRequest(this.#loop, this.#tunnel, request, callback);
    if (this.#tunnel.streams.size >= this.#streamLimit) this.retire();
    return made;
  }

  /** Takes no more streams; closes when it has none. */
  retire(): void {
    this.#isRetired = true;
    if (this.#tunnel.streams.size === 0) this.#tunnel.close(undefined);
  }

  close(reason: HboneError | undefined): void {
    this.#tunnel.close(reason);
  }

  closeIfRevoked(): boolean {
    return this.#tunnel.closeIfRevoked();
  }

  onTimer(): void {
    this.#timer = undefined;
    const restMs = this.#lastCheckoutMs + this.#settings.poolUnusedReleaseTimeoutMs - this.#loop.nowMs;
    if (restMs > 0) this.#timer = this.#loop.setTimer(restMs, this);
    else this.retire();
  }

  onRequest(): void {
    // Servers open no streams here: push is off.
  }

  onSettings(): void {
    // The limit is looked at on the next checkout.
  }

  onGoAway(): void {
    this.#isRetired = true;
  }

  onIdle(): void {
    if (this.#isRetired) this.#tunnel.close(undefined);
  }

  onClosed(): void {
    this.#isRetired = true;
    if (this.#timer !== undefined) this.#loop.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#onGone(this);
  }

  get #streamLimit(): number {
    const { poolMaxStreamsPerConnection } = this.#settings;
    return Math.min(poolMaxStreamsPerConnection, this.#tunnel.peerMaxStreams ?? poolMaxStreamsPerConnection, 65_535);
  }
}

import type { ByteChannel } from '@ambit/net';

import type { ConnectFailure } from '../../request/upstream.ts';
import { beginBackendTls, type BackendTlsOptions } from './backend-tls.ts';
import {
  type ChannelDial,
  type ChannelReceiver,
  dialEndpoint,
  type DialSurroundings,
  type DialTarget,
} from './endpoint-channel.ts';
import { beginProxyTunnel, type ProxyTunnelOptions } from './proxy-tunnel.ts';

/** What goes onto a connection before its bytes: the PROXY header first, then TLS, then the request to a forward proxy. */
export interface ConnectionOpening {
  readonly prelude: Uint8Array | undefined;
  readonly tls: BackendTlsOptions | undefined;
  readonly tunnel: ProxyTunnelOptions | undefined;
}

/** A dial, then the opening on what it gave. */
export class OpenedDial implements ChannelDial, ChannelReceiver {
  readonly #surroundings: DialSurroundings;
  readonly #opening: ConnectionOpening;
  readonly #receiver: ChannelReceiver;
  readonly #dial: ChannelDial;
  #isCancelled = false;

  constructor(
    surroundings: DialSurroundings,
    target: DialTarget,
    opening: ConnectionOpening,
    receiver: ChannelReceiver,
  ) {
    this.#surroundings = surroundings;
    this.#opening = opening;
    this.#receiver = receiver;
    this.#dial = dialEndpoint(surroundings, target, this);
  }

  /** During the handshake it goes on, for nobody. */
  cancel(): void {
    this.#isCancelled = true;
    this.#dial.cancel();
  }

  onChannel(channel: ByteChannel, localAddress: string): void {
    const { prelude, tls } = this.#opening;
    if (prelude !== undefined) channel.write(prelude, 0, prelude.length);
    if (tls === undefined) return this.#onOpen(channel, localAddress);
    const receiver = this.#unlessCancelled((secured, local) => this.#onOpen(secured, local));
    beginBackendTls(this.#surroundings.loop, channel, localAddress, tls, receiver);
  }

  #onOpen(channel: ByteChannel, localAddress: string): void {
    const { tunnel } = this.#opening;
    if (tunnel === undefined) return this.#receiver.onChannel(channel, localAddress);
    const receiver = this.#unlessCancelled((tunnelled, local) => this.#receiver.onChannel(tunnelled, local));
    beginProxyTunnel(this.#surroundings.loop, channel, localAddress, tunnel, receiver);
  }

  #unlessCancelled(goOn: ChannelReceiver['onChannel']): ChannelReceiver {
    return {
      onChannel: (channel, local) => {
        if (this.#isCancelled) channel.close();
        else goOn(channel, local);
      },
      onChannelFailed: (failure) => this.onChannelFailed(failure),
    };
  }

  onChannelFailed(failure: ConnectFailure): void {
    if (!this.#isCancelled) this.#receiver.onChannelFailed(failure);
  }
}

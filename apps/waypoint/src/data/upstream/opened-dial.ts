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

/** What goes onto a connection before its bytes: the PROXY header first, then TLS. */
export interface ConnectionOpening {
  readonly prelude: Uint8Array | undefined;
  readonly tls: BackendTlsOptions | undefined;
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
    if (tls === undefined) return this.#receiver.onChannel(channel, localAddress);
    const receiver: ChannelReceiver = {
      onChannel: (secured, local) => {
        if (this.#isCancelled) secured.close();
        else this.#receiver.onChannel(secured, local);
      },
      onChannelFailed: (failure) => this.onChannelFailed(failure),
    };
    beginBackendTls(this.#surroundings.loop, channel, localAddress, tls, receiver);
  }

  onChannelFailed(failure: ConnectFailure): void {
    if (!this.#isCancelled) this.#receiver.onChannelFailed(failure);
  }
}

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

/** A dial, then TLS on what it gave. */
export class SecuredDial implements ChannelDial, ChannelReceiver {
  readonly #surroundings: DialSurroundings;
  readonly #options: BackendTlsOptions;
  readonly #receiver: ChannelReceiver;
  readonly #dial: ChannelDial;
  #isCancelled = false;

  constructor(
    surroundings: DialSurroundings,
    target: DialTarget,
    options: BackendTlsOptions,
    receiver: ChannelReceiver,
  ) {
    this.#surroundings = surroundings;
    this.#options = options;
    this.#receiver = receiver;
    this.#dial = dialEndpoint(surroundings, target, this);
  }

  /** During the handshake it goes on, for nobody. */
  cancel(): void {
    this.#isCancelled = true;
    this.#dial.cancel();
  }

  onChannel(channel: ByteChannel, localAddress: string): void {
    const receiver: ChannelReceiver = {
      onChannel: (secured, local) => {
        if (this.#isCancelled) secured.close();
        else this.#receiver.onChannel(secured, local);
      },
      onChannelFailed: (failure) => this.onChannelFailed(failure),
    };
    beginBackendTls(this.#surroundings.loop, channel, localAddress, this.#options, receiver);
  }

  onChannelFailed(failure: ConnectFailure): void {
    if (!this.#isCancelled) this.#receiver.onChannelFailed(failure);
  }
}

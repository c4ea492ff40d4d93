import { HboneError, type HbonePool, type OutboundStream, type PendingConnect } from '@ambit/hbone';
import {
  type ByteChannel,
  EPOLLOUT,
  type EventLoop,
  type Fd,
  formatSocketAddress,
  io,
  type IoHandler,
  type KeepaliveOptions,
  type SocketAddress,
  socketChannel,
  type TimerHandler,
  type TimerId,
  type TlsContext,
} from '@ambit/net';

import type { ConnectFailure } from '../../request/upstream.ts';
import type { EndpointRoute } from './endpoint-route.ts';
import type { RevocableChannels } from './revocable-channel.ts';

/** Told once, not before the dial has been made. */
export interface ChannelReceiver {
  /** The channel is the receiver's, not attached yet. */
  onChannel(channel: ByteChannel, localAddress: string): void;
  onChannelFailed(failure: ConnectFailure): void;
}

/** A dial under way. */
export interface ChannelDial {
  /** Gives up without a call. */
  cancel(): void;
}

/** What dials of one worker share. */
export interface DialSurroundings {
  readonly loop: EventLoop;
  readonly hbone: HbonePool;
  /** Own SPIFFE id. */
  readonly identity: string;
  readonly instanceIp: string;
  /** Where endpoints take HBONE. */
  readonly peerHbonePort: number;
  /** Undefined until there is a certificate. */
  ownTls(): TlsContext | undefined;
  /** A handshake was refused because the endpoint's certificate is revoked; the dial fails too. */
  onRevoked?(): void;
  /** Connections with TLS of their own to backends. */
  readonly secured: RevocableChannels;
}

export interface DialTarget {
  readonly route: EndpointRoute;
  readonly address: SocketAddress;
  /** Host name of the service, for the peer's labels; empty for none. */
  readonly serviceHostname: string;
  readonly timeoutMs: number;
  /** Of a socket to the endpoint itself; undefined: no probes. */
  readonly keepalive: KeepaliveOptions | undefined;
}

/** Connects to an endpoint. */
export function dialEndpoint(
  surroundings: DialSurroundings,
  target: DialTarget,
  receiver: ChannelReceiver,
): ChannelDial {
  return target.route.kind === 'hbone'
    ? new TunnelDial(surroundings, target, target.route, receiver)
    : new SocketDial(surroundings.loop, target, receiver);
}

const timedOut: ConnectFailure = { kind: 'timeout', transportReason: '' };

class SocketDial implements ChannelDial, IoHandler, TimerHandler {
  readonly #loop: EventLoop;
  readonly #receiver: ChannelReceiver;
  readonly #fd: Fd;
  readonly #timer: TimerId;
  #isOver = false;

  constructor(loop: EventLoop, { address, timeoutMs, keepalive }: DialTarget, receiver: ChannelReceiver) {
    this.#loop = loop;
    this.#receiver = receiver;
    const probes = keepalive === undefined ? {} : { keepalive };
    this.#fd = io.tcpConnect({ address: address.address, port: address.port, noDelay: true, ...probes });
    // A connect that fails at once is reported by the timer, so that callers see one order of things.
    this.#timer = loop.setTimer(this.#fd < 0 ? 0 : timeoutMs, this);
    if (this.#fd >= 0) loop.add(this.#fd, EPOLLOUT, this);
  }

  onEvents(): void {
    if (this.#isOver) return;
    const error = io.socketError(this.#fd);
    if (error < 0) return this.#fail({ kind: 'refused', transportReason: dialText(error) });
    this.#end();
    this.#loop.remove(this.#fd);
    this.#receiver.onChannel(socketChannel(this.#loop, this.#fd), formatSocketAddress(io.localAddress(this.#fd)));
  }

  onTimer(): void {
    this.#fail(this.#fd < 0 ? { kind: 'refused', transportReason: dialText(this.#fd) } : timedOut);
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#end();
    this.#close();
  }

  #fail(failure: ConnectFailure): void {
    if (this.#isOver) return;
    this.#end();
    this.#close();
    this.#receiver.onChannelFailed(failure);
  }

  #end(): void {
    this.#isOver = true;
    this.#loop.clearTimer(this.#timer);
  }

  #close(): void {
    if (this.#fd >= 0) this.#loop.close(this.#fd);
  }
}

/** The kernel's words, as Envoy puts them. */
function dialText(result: number): string {
  const words: Readonly<Record<number, string>> = {
    101: 'Network is unreachable',
    104: 'Connection reset by peer',
    110: 'Connection timed out',
    111: 'Connection refused',
    113: 'No route to host',
  };
  return `delayed connect error: ${words[-result] ?? -result}`;
}

class TunnelDial implements ChannelDial, TimerHandler {
  readonly #surroundings: DialSurroundings;
  readonly #receiver: ChannelReceiver;
  readonly #timer: TimerId;
  #pending: PendingConnect | undefined;
  #isOver = false;

  constructor(
    surroundings: DialSurroundings,
    target: DialTarget,
    { identity, authority }: EndpointRoute & { readonly kind: 'hbone' },
    receiver: ChannelReceiver,
  ) {
    const { loop, hbone, instanceIp, peerHbonePort } = surroundings;
    this.#surroundings = surroundings;
    this.#receiver = receiver;
    const tls = surroundings.ownTls();
    this.#timer = loop.setTimer(tls === undefined ? 0 : target.timeoutMs, this);
    if (tls === undefined) return;
    const { address } = target.address;
    const key = {
      sourceIdentity: surroundings.identity,
      destinationIdentities: [identity],
      address,
      port: peerHbonePort,
      sourceAddress: instanceIp,
    };
    const verifyPeer = (names: readonly string[]): boolean => names.includes(identity);
    const forwarded = target.serviceHostname === '' ? [] : [['forwarded', `host=${target.serviceHostname}`] as const];
    const plan = { address, port: peerHbonePort, tls, verifyPeer };
    const request = { authority: authority ?? formatSocketAddress(target.address), headers: forwarded };
    try {
      this.#pending = hbone.connect(key, plan, request, this);
    } catch (error) {
      if (!(error instanceof HboneError)) throw error;
      // The worker is about to end.
      loop.setTimer(0, { onTimer: () => this.onError(error) });
    }
  }

  onConnected(stream: OutboundStream): void {
    this.#end();
    this.#receiver.onChannel(
      stream.channel(),
      formatSocketAddress({ address: this.#surroundings.instanceIp, port: 0 }),
    );
  }

  onError(error: HboneError): void {
    if (this.#isOver) return;
    this.#end();
    if (error.code === 'CERT_REVOKED') this.#surroundings.onRevoked?.();
    const kind = error.code === 'CONNECT_TIMEOUT' ? 'timeout' : error.code === 'POOL_FULL' ? 'overflow' : 'refused';
    this.#receiver.onChannelFailed({ kind, transportReason: error.message });
  }

  onTimer(): void {
    if (this.#isOver) return;
    const failure: ConnectFailure =
      this.#pending === undefined ? { kind: 'refused', transportReason: 'the proxy has no certificate' } : timedOut;
    this.cancel();
    this.#receiver.onChannelFailed(failure);
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#end();
    this.#pending?.cancel();
  }

  #end(): void {
    this.#isOver = true;
    this.#surroundings.loop.clearTimer(this.#timer);
  }
}

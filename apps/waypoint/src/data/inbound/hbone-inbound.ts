import {
  type HboneError,
  HboneServer,
  type HboneServerConnection,
  type HboneServerHandler,
  type InboundStream,
  type RevocableConnection,
} from '@ambit/hbone';
import {
  type EventLoop,
  type Fd,
  formatSocketAddress,
  io,
  parseIp,
  parseSocketAddress,
  type TlsContext,
} from '@ambit/net';
import type { PeerIdentity } from '@ambit/policy';
import type { WorkloadStore } from '@ambit/workload';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import { acceptChannel, type InboundSurroundings } from './accept-channel.ts';
import { identityOf } from './listener-tls.ts';
import { findServed, type ServedDestination } from './served-destination.ts';

export interface HboneInboundOptions extends InboundSurroundings {
  readonly loop: EventLoop;
  readonly store: WorkloadStore;
  readonly network: string;
  readonly instanceIp: string;
  config(): ConfigSnapshot | undefined;
  ownTls(): TlsContext | undefined;
  /** A handshake was refused because the client's certificate is revoked; `onRefused` is told too. */
  onRevoked(): void;
  /** A tunnel or a request for one that was refused: for the log and a metric. */
  onRefused(reason: RefusedTunnel, detail: string, remoteAddress: string): void;
}

export type RefusedTunnel =
  | 'no-certificate'
  | 'handshake'
  | 'trust-domain'
  | 'method'
  | Extract<ServedDestination, { kind: 'refused' }>['reason'];

/** Istio: MaxConcurrentStreams of a waypoint's listener. */
const maxStreams = 100;
const windows = { streamWindowBytes: 1024 * 1024, connectionWindowBytes: 16 * 1024 * 1024, sharesWindows: true };

/** Tunnels in on 15008: the certificate says who, the authority for what. Nothing passes that is not served here. */
export class HboneInbound implements HboneServerHandler {
  readonly #options: HboneInboundOptions;
  readonly #server: HboneServer;

  constructor(options: HboneInboundOptions) {
    this.#options = options;
    this.#server = new HboneServer({ loop: options.loop, settings: { serverMaxStreams: maxStreams, ...windows } });
  }

  get tunnelCount(): number {
    return this.#server.connectionCount;
  }

  /** May end while they are walked through. */
  get connections(): Iterable<RevocableConnection> {
    return this.#server.connections;
  }

  get streamCount(): number {
    let sum = 0;
    for (const { streamCount } of this.#server.connections) sum += streamCount;
    return sum;
  }

  /** Takes an accepted socket. */
  accept(fd: Fd): void {
    const tls = this.#options.ownTls();
    if (tls === undefined) {
      this.#options.onRefused('no-certificate', '', formatSocketAddress(io.peerAddress(fd)));
      io.close(fd);
      return;
    }
    this.#server.accept(fd, tls, this);
  }

  /** GOAWAY to the tunnels there are; streams go on, and new tunnels still come, until their clients have heard. */
  drain(): void {
    for (const connection of this.#server.connections) if (connection.context !== undefined) connection.drain();
  }

  close(): void {
    this.#server.close();
  }

  onPeer(connection: HboneServerConnection): boolean {
    const domains = this.#options.config()?.proxy.trustDomains ?? [];
    const identity = identityOf(connection.peerUriSans, domains);
    if (identity === undefined) {
      this.#refused('trust-domain', connection.peerUriSans.join(' '), connection);
      return false;
    }
    connection.context = identity;
    return true;
  }

  onConnect(stream: InboundStream): void {
    const { connection } = stream;
    const config = this.#options.config();
    if (stream.method !== 'CONNECT') {
      this.#refused('method', stream.method, connection);
      return stream.respond(400);
    }
    if (config === undefined) return stream.respond(503);
    const { store, network, instanceIp } = this.#options;
    const self = instanceIp === '' ? undefined : store.workloadByAddress(network, instanceIp);
    const found = findServed({ view: store, config, network, self }, stream.authority);
    if (found.kind === 'refused') {
      this.#refused(found.reason, stream.authority, connection);
      return stream.respond(found.status);
    }
    const facts = this.#facts(stream, found);
    // The answer comes before any backend is looked for: only the bytes inside tell which one.
    stream.respond(200);
    acceptChannel(this.#options, { channel: stream.channel(), facts, config, port: found.port });
  }

  onClosed(): void {
    // Connections inside are told by their streams.
  }

  onHandshakeFailed(connection: HboneServerConnection, error: HboneError): void {
    if (error.code === 'CERT_REVOKED') this.#options.onRevoked();
    if (connection.peerUriSans.length === 0) this.#refused('handshake', error.message, connection);
  }

  #facts(stream: InboundStream, found: ServedDestination & { readonly kind: 'served' }): DownstreamFacts {
    const { connection } = stream;
    const { store, network } = this.#options;
    const sourceAddress = connection.remoteAddress.address;
    const { target, address } = found;
    const peer = connection.context;
    const local = formatSocketAddress({ address, port: target.port });
    return {
      served: target,
      scheme: 'http',
      peer: isPeerIdentity(peer) ? peer : undefined,
      source: store.workloadByAddress(network, sourceAddress),
      sourceIp: ipBytes(sourceAddress),
      sourceAddress,
      remoteAddress: formatSocketAddress({ address: sourceAddress, port: clientPort(stream, sourceAddress) }),
      destinationIp: ipBytes(address),
      destinationAddress: address,
      destinationPort: target.port,
      localAddress: local,
      serverName: undefined,
      clientCertificate: undefined,
    };
  }

  #refused(reason: RefusedTunnel, detail: string, connection: HboneServerConnection): void {
    this.#options.onRefused(reason, detail.slice(0, 300), formatSocketAddress(connection.remoteAddress));
  }
}

function isPeerIdentity(value: unknown): value is PeerIdentity {
  return typeof value === 'object' && value !== null && 'principal' in value;
}

/** The client's own port, as the node proxy tells it; it is believed for the same address only, and for logs only. */
function clientPort(stream: InboundStream, sourceAddress: string): number {
  const [, quoted] = /(?:^|;)\s*for="([^"]*)"/.exec(stream.header('forwarded') ?? '') ?? [];
  const said = quoted === undefined ? undefined : parseSocketAddress(quoted);
  return said?.address === sourceAddress ? said.port : 0;
}

const noIp: Uint8Array = new Uint8Array(4);

function ipBytes(address: string): Uint8Array {
  return parseIp(address)?.bytes ?? noIp;
}

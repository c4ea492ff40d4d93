import {
  type ByteChannel,
  type EventLoop,
  type Fd,
  formatSocketAddress,
  io,
  parseIp,
  secureChannel,
  socketChannel,
  type TimerId,
  type TlsSession,
} from '@ambit/net';
import { toAmbitError } from '@ambit/runtime';
import type { WorkloadStore } from '@ambit/workload';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { CompiledListener, CompiledServer, ListenerProtocol } from '../../config/server.ts';
import { mostSpecific } from '../../config/server-name.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import type { LiveConnection } from '../live-connection.ts';
import { type InboundSurroundings, maxPeekBytes, startHttp } from './accept-channel.ts';
import { readClientHello } from './client-hello.ts';
import { clientOf, listenerContext } from './listener-tls.ts';
import { PeekedChannel, type PeekUser } from './peeked-channel.ts';
import { isHttp2Preface } from './sniff-protocol.ts';
import { TcpSession } from './tcp-session.ts';

/** What connections of a gateway's ports share. */
export interface EdgeSurroundings extends InboundSurroundings {
  readonly loop: EventLoop;
  readonly store: WorkloadStore;
  readonly network: string;
  /** The configuration now. */
  config(): ConfigSnapshot | undefined;
  onRefused(reason: 'no-listener' | 'edge-tls', detail: string, remoteAddress: string): void;
}

/** First bytes, then TLS: each has this long. */
const openingMs = 15_000;
const httpAlpn = ['h2', 'http/1.1'];

/** A client's connection to a port of a gateway until it is known what it is: bytes, HTTP, or TLS and what is inside. Owns the socket. */
export class EdgeConnection implements PeekUser {
  readonly #options: EdgeSurroundings;
  readonly #config: ConfigSnapshot;
  readonly #server: CompiledServer;
  readonly #facts: DownstreamFacts;
  readonly #channel: ByteChannel;
  #peeked: PeekedChannel | undefined;
  #timer: TimerId | undefined;

  constructor(options: EdgeSurroundings, config: ConfigSnapshot, server: CompiledServer, fd: Fd) {
    this.#options = options;
    this.#config = config;
    this.#server = server;
    this.#facts = factsOf(options, server.port, fd);
    this.#channel = socketChannel(options.loop, fd);
  }

  start(): void {
    const { loop } = this.#options;
    const bytes = this.#listenerOf('', ['tcp']);
    // A server that speaks first must not be waited for.
    if (bytes !== undefined) return this.#startTcp(this.#channel, bytes, undefined);
    this.#timer = loop.setTimer(openingMs, { onTimer: () => this.#refuse('no-listener', 'nothing was sent in time') });
    this.#peeked = new PeekedChannel(loop, this.#channel, this, maxPeekBytes);
  }

  onPeek(bytes: Buffer): boolean {
    const peeked = this.#peeked;
    if (peeked === undefined) return false;
    const hello = readClientHello(bytes);
    const hasTls = this.#server.listeners.some(({ protocol }) => protocol !== 'http' && protocol !== 'tcp');
    if (hasTls && hello.kind === 'more') return false;
    if (hasTls && hello.kind === 'hello') {
      this.#stopTimer();
      this.#onHello(peeked, hello.serverName ?? '');
      return true;
    }
    if (this.#server.listeners.every(({ protocol }) => protocol !== 'http')) {
      this.#refuse('no-listener', 'not TLS');
      return true;
    }
    const preface = isHttp2Preface(bytes);
    if (preface === 'more') return false;
    this.#stopTimer();
    startHttp(this.#options, this.#facts, this.#config, peeked, preface === 'yes', 'edge-plain');
    return true;
  }

  onPeekEnd(): void {
    this.#refuse('no-listener', 'the client ended');
  }

  onPeekLost(): void {
    this.#stopTimer();
  }

  #onHello(peeked: PeekedChannel, serverName: string): void {
    const listener = this.#listenerOf(serverName, ['https', 'tls-terminate', 'tls-passthrough']);
    if (listener === undefined) return this.#refuse('no-listener', serverName);
    if (listener.protocol === 'tls-passthrough') return this.#startTcp(peeked, listener, serverName);
    this.#endTls(peeked, listener, serverName);
  }

  #endTls(peeked: PeekedChannel, listener: CompiledListener, serverName: string): void {
    const { loop } = this.#options;
    const isHttp = listener.protocol === 'https';
    if (listener.tls === undefined) return this.#refuse('edge-tls', 'no certificate');
    try {
      const context = listenerContext(listener.tls, isHttp ? httpAlpn : [], serverName);
      secureChannel(
        loop,
        peeked,
        { context, role: 'server', timeoutMs: openingMs },
        {
          onSecured: (channel, session) => this.#onSecured(channel, session, listener, serverName),
          onSecureFailed: (reason) => this.#tell('edge-tls', reason),
        },
      );
    } catch (error) {
      this.#refuse('edge-tls', toAmbitError(error).message);
    }
  }

  #onSecured(channel: ByteChannel, session: TlsSession, listener: CompiledListener, serverName: string): void {
    const client = this.#clientOf(session);
    if (client === 'unreadable') {
      channel.close();
      return this.#tell('edge-tls', 'the client certificate cannot be read');
    }
    const facts: DownstreamFacts = {
      ...this.#facts,
      served: { kind: 'server', port: this.#server.port, listener: listener.name },
      scheme: 'https',
      serverName: serverName === '' ? undefined : serverName,
      peer: client?.peer,
      clientCertificate: client?.certificate,
    };
    const connection = this.#startInside(channel, session, listener, facts);
    if (client === undefined) return;
    const alpn = listener.protocol === 'https' ? httpAlpn : [];
    this.#options.live.certify(connection, () => this.#isRevoked(session, listener.name, alpn, serverName));
  }

  /** By the lists of the mesh, and by those that the listener has now. */
  #isRevoked(session: TlsSession, name: string, alpn: readonly string[], serverName: string): boolean {
    const server = this.#options.config()?.servers.get(this.#server.port);
    const tls = server?.listeners.find((listener) => listener.name === name)?.tls;
    try {
      return io.tlsRevoked(session, tls === undefined ? undefined : listenerContext(tls, alpn, serverName)) === 1;
    } catch {
      // Material that cannot be used lets nobody in; nothing is known of who is in.
      return io.tlsRevoked(session) === 1;
    }
  }

  #startInside(
    channel: ByteChannel,
    session: TlsSession,
    listener: CompiledListener,
    facts: DownstreamFacts,
  ): LiveConnection {
    if (listener.protocol === 'https') {
      const isHttp2 = io.tlsDescribe(session).alpn === 'h2';
      return startHttp(this.#options, facts, this.#config, channel, isHttp2, 'edge-tls');
    }
    const tcp = new TcpSession(this.#options, channel, facts);
    tcp.start(this.#config, listener.tcpRoutes, facts.serverName ?? '');
    return tcp;
  }

  /** What a stranger's certificate holds must not end the process. */
  #clientOf(session: TlsSession): ReturnType<typeof clientOf> | 'unreadable' {
    try {
      return clientOf(session, this.#config.proxy.trustDomains);
    } catch {
      return 'unreadable';
    }
  }

  #startTcp(channel: ByteChannel, listener: CompiledListener, serverName: string | undefined): void {
    new TcpSession(this.#options, channel, this.#facts).start(this.#config, listener.tcpRoutes, serverName);
  }

  /** The most specific of the listeners of these protocols. */
  #listenerOf(serverName: string, protocols: readonly ListenerProtocol[]): CompiledListener | undefined {
    const candidates = this.#server.listeners.filter(({ protocol }) => protocols.includes(protocol));
    return mostSpecific(candidates, ({ hostname }) => hostname, serverName);
  }

  #refuse(reason: 'no-listener' | 'edge-tls', detail: string): void {
    this.#stopTimer();
    (this.#peeked ?? this.#channel).close();
    this.#tell(reason, detail);
  }

  #tell(reason: 'no-listener' | 'edge-tls', detail: string): void {
    this.#options.onRefused(reason, detail.slice(0, 300), this.#facts.remoteAddress);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.loop.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

const noIp: Uint8Array = new Uint8Array(4);

function factsOf({ store, network }: EdgeSurroundings, port: number, fd: Fd): DownstreamFacts {
  const remote = io.peerAddress(fd);
  const local = io.localAddress(fd);
  return {
    served: { kind: 'server', port, listener: undefined },
    scheme: 'http',
    peer: undefined,
    source: store.workloadByAddress(network, remote.address),
    sourceIp: parseIp(remote.address)?.bytes ?? noIp,
    sourceAddress: remote.address,
    remoteAddress: formatSocketAddress(remote),
    destinationIp: parseIp(local.address)?.bytes ?? noIp,
    destinationAddress: local.address,
    destinationPort: port,
    localAddress: formatSocketAddress(local),
    serverName: undefined,
    clientCertificate: undefined,
  };
}

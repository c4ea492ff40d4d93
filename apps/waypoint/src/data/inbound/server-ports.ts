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
import { type CompiledListener, type CompiledServer, type ListenerProtocol } from '../../config/server.ts';
import { mostSpecific } from '../../config/server-name.ts';
import type { DownstreamFacts } from '../../request/downstream-facts.ts';
import { Listener } from '../listener.ts';
import type { LiveConnection } from '../live-connection.ts';
import { type InboundSurroundings, maxPeekBytes, startHttp } from './accept-channel.ts';
import { readClientHello } from './client-hello.ts';
import { clientOf, listenerContext } from './listener-tls.ts';
import { PeekedChannel, type PeekUser } from './peeked-channel.ts';
import { isHttp2Preface } from './sniff-protocol.ts';
import { TcpSession } from './tcp-session.ts';

export interface ServerPortsOptions extends InboundSurroundings {
  readonly loop: EventLoop;
  readonly store: WorkloadStore;
  readonly network: string;
  /** Undefined: every address. */
  readonly listenAddress: string | undefined;
  readonly isIpv6Enabled: boolean;
  config(): ConfigSnapshot | undefined;
  onRefused(reason: 'no-listener' | 'edge-tls', detail: string, remoteAddress: string): void;
  onListenFailed(port: number, error: string): void;
  /** Clients that are connected are held to other revocation lists now. */
  onListsChanged(): void;
}

/** First bytes, then TLS: each has this long. */
const openingMs = 15_000;
const httpAlpn = ['h2', 'http/1.1'];

/** The ports of a gateway: opened and closed as the configuration says. */
export class ServerPorts {
  readonly #options: ServerPortsOptions;
  readonly #listeners = new Map<number, Listener>();
  /** Of all listeners, as one text. */
  #revocations = '';

  constructor(options: ServerPortsOptions) {
    this.#options = options;
  }

  /** Opens what is new and closes what is gone; connections of the latter go on. */
  update({ servers }: ConfigSnapshot): void {
    for (const [port, listener] of this.#listeners) {
      if (servers.has(port)) continue;
      listener.close();
      this.#listeners.delete(port);
    }
    for (const port of servers.keys()) if (!this.#listeners.has(port)) this.#open(port);
    const revocations = revocationsOf(servers.values());
    if (revocations === this.#revocations) return;
    this.#revocations = revocations;
    this.#options.onListsChanged();
  }

  close(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  #open(port: number): void {
    const { loop, listenAddress, isIpv6Enabled, onListenFailed } = this.#options;
    const address = listenAddress ?? (isIpv6Enabled ? '::' : '0.0.0.0');
    const fd = io.tcpListen({ address, port, reusePort: true, dualStack: address === '::', backlog: 1024 });
    if (fd < 0) return onListenFailed(port, `errno ${-fd}`);
    this.#listeners.set(port, new Listener(loop, fd, (accepted) => this.#accept(accepted, port)));
  }

  #accept(fd: Fd, port: number): void {
    const config = this.#options.config();
    const server = config?.servers.get(port);
    if (config === undefined || server === undefined) {
      io.close(fd);
      return;
    }
    io.setNoDelay(fd, true);
    new EdgeConnection(this.#options, config, server, fd).start();
  }
}

/** A client's connection until it is known what it is. */
class EdgeConnection implements PeekUser {
  readonly #options: ServerPortsOptions;
  readonly #config: ConfigSnapshot;
  readonly #server: CompiledServer;
  readonly #facts: DownstreamFacts;
  readonly #channel: ByteChannel;
  #peeked: PeekedChannel | undefined;
  #timer: TimerId | undefined;

  constructor(options: ServerPortsOptions, config: ConfigSnapshot, server: CompiledServer, fd: Fd) {
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

function revocationsOf(servers: Iterable<CompiledServer>): string {
  return [...servers]
    .flatMap(({ port, listeners }) =>
      listeners.map(({ name, tls }) => `${port}/${name} ${tls?.clientRevocationsPem ?? ''}`),
    )
    .join('\n');
}

const noIp: Uint8Array = new Uint8Array(4);

function factsOf({ store, network }: ServerPortsOptions, port: number, fd: Fd): DownstreamFacts {
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

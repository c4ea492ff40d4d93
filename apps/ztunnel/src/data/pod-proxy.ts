import { HboneError, HbonePool, type RevocableTunnel } from '@ambit/hbone';
import { checked, type Fd, io, isEnforcementProbe } from '@ambit/net';
import { AmbitError } from '@ambit/runtime';
import type { PodConnections, PodIdentity } from '../worker-protocol.ts';
import type { DataContext } from './data-context.ts';
import { EnforcementAnswer } from './enforcement-answer.ts';
import { closedByDrain, type Failure } from './failure.ts';
import { hboneSettings } from './hbone-options.ts';
import { InboundHbone } from './inbound-hbone.ts';
import { InboundPlaintext } from './inbound-plaintext.ts';
import { OutboundConnection } from './outbound-connection.ts';
import { PodListener } from './pod-listener.ts';
import type { LiveConnection, PodScope } from './pod-scope.ts';
import { QuietConnections } from './quiet-connections.ts';
import { Socks5Connection } from './socks5-connection.ts';

/** The listeners of one pod, its tunnels and its connections. Owns the descriptor of the pod's namespace. */
export class PodProxy implements PodScope {
  readonly data: DataContext;
  readonly pod: PodIdentity;
  readonly netnsFd: Fd | undefined;
  readonly pool: HbonePool;
  readonly #hbone: InboundHbone;
  readonly #listeners: PodListener[] = [];
  readonly #connections = new Set<LiveConnection>();
  readonly #quiet = new QuietConnections();
  #keepsSourceAddress = false;
  #isClosed = false;

  /** Nothing listens before `open`. */
  constructor(data: DataContext, pod: PodIdentity, netnsFd: Fd | undefined) {
    this.data = data;
    this.pod = pod;
    this.netnsFd = netnsFd;
    this.pool = new HbonePool({ loop: data.loop, settings: hboneSettings(data.settings) });
    this.#hbone = new InboundHbone(this);
  }

  get keepsSourceAddress(): boolean {
    return this.#keepsSourceAddress;
  }

  /** Connections of programs and tunnels to this pod, those in their handshake included. */
  get connectionCount(): number {
    return this.#connections.size + this.#hbone.connectionCount;
  }

  /** Opens all listeners or none. Throws NetError or AmbitError with the reason. */
  open(): void {
    const { ports, isSocks5Enabled } = this.data.settings;
    try {
      const hbone = this.#listen(ports.inboundHbone, (fd) => this.#hbone.accept(fd));
      this.#listen(
        ports.inboundPlaintext,
        (fd) => {
          new InboundPlaintext(this, fd, io.peerAddress(fd), io.originalDestination(fd)).start();
        },
        true,
      );
      this.#listen(
        ports.outbound,
        (fd) => {
          const target = io.originalDestination(fd);
          if (isEnforcementProbe(target.address, target.port)) new EnforcementAnswer(this, fd).start();
          else new OutboundConnection(this, fd, io.peerAddress(fd), target).start();
        },
        true,
      );
      if (isSocks5Enabled) {
        const onSocks5 = (fd: Fd): void => new Socks5Connection(this, fd, io.peerAddress(fd)).start();
        this.#listen(ports.socks5, onSocks5, true, '127.0.0.1');
      }
      this.#keepsSourceAddress = this.#maySpoof(hbone);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  add(connection: LiveConnection): void {
    this.#connections.add(connection);
  }

  remove(connection: LiveConnection): void {
    this.#connections.delete(connection);
  }

  /** Brings the byte counters of long connections up to date. */
  updateCounters(): void {
    for (const connection of this.#connections) connection.updateCounters();
  }

  /** Tunnels in both directions, at rest or in use. */
  *tunnels(): Generator<RevocableTunnel, void, undefined> {
    for (const connection of this.pool.connections) yield { reporter: 'source', connection };
    for (const connection of this.#hbone.connections) yield { reporter: 'destination', connection };
  }

  /** Open connections for the admin dump. */
  describe(): PodConnections {
    const list = (direction: 'inbound' | 'outbound'): PodConnections['inbound'] =>
      [...this.#connections]
        .filter((connection) => connection.direction === direction)
        .map((connection) => connection.describe())
        .filter((record) => record !== undefined);
    return { inbound: list('inbound'), outbound: list('outbound') };
  }

  /** Accepts nothing new; what has arrived and what runs may end by itself. */
  drain(): void {
    for (const listener of this.#listeners.splice(0)) listener.drain();
    this.#hbone.drain();
  }

  /** Ends connections that nobody is using. Called again and again, with some time in between. Returns their number. */
  closeQuiet(failure: Failure): number {
    const quiet = this.#quiet.look(this.#connections);
    for (const connection of quiet) connection.abort(failure);
    return quiet.length;
  }

  /** Ends everything now. Returns the number of connections that were cut. */
  close(failure: Failure = closedByDrain): number {
    if (this.#isClosed) return 0;
    this.#isClosed = true;
    const cut = this.#connections.size;
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const connection of this.#connections) connection.abort(failure);
    this.pool.close(new HboneError('CLOSED', failure.text));
    this.#hbone.close();
    if (this.netnsFd !== undefined) io.close(this.netnsFd);
    return cut;
  }

  #listen(port: number, onAccepted: (fd: Fd) => void, keepsAlive = false, address?: string): Fd {
    const { packetMark, isIpv6Enabled, reusePort, originalSource, keepalive, userTimeoutMs } = this.data.settings;
    const fd = io.tcpListen({
      ...(this.netnsFd === undefined ? {} : { netnsFd: this.netnsFd }),
      ...(packetMark === undefined ? {} : { mark: packetMark }),
      address: address ?? (isIpv6Enabled ? '::' : '0.0.0.0'),
      port,
      reusePort,
      dualStack: address === undefined && isIpv6Enabled,
      transparent: originalSource !== 'never',
    });
    checked(`listen on port ${port}`, fd);
    // Accepted sockets inherit both, which saves the calls on each of them.
    io.setNoDelay(fd, true);
    // HTTP/2 PING keeps tunnels; the others need TCP's own keepalive.
    if (keepsAlive && keepalive !== undefined) {
      io.setKeepalive(fd, keepalive.idleSec, keepalive.intervalSec, keepalive.probes);
    }
    const { loop, pending, takeMessages } = this.data;
    if (keepsAlive && userTimeoutMs !== undefined) io.setUserTimeout(fd, userTimeoutMs);
    this.#listeners.push(new PodListener(loop, fd, pending, onAccepted, takeMessages));
    return fd;
  }

  #maySpoof(listener: Fd): boolean {
    const { originalSource } = this.data.settings;
    if (originalSource === 'never') return false;
    const isTransparent = io.isTransparent(listener);
    if (isTransparent || originalSource === 'best-effort') return isTransparent;
    throw new AmbitError('SOURCE_NOT_KEPT', 'IP_TRANSPARENT is refused, but ENABLE_ORIG_SRC asks for it');
  }
}

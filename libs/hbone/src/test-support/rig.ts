/**
 * Certificates, listeners and applications on an event loop, for the tests of this folder.
 */
import net from 'node:net';

import { EPOLLOUT, io } from '@ambit/net';
import type { Fd, TlsContext } from '@ambit/net';
import { listenOnLoopback, LoopRig, makeTestCa } from '@ambit/testing';
import type { TestCa, TestCertificate } from '@ambit/testing';

import { HbonePool, HboneServer } from '../index.ts';
import type {
  BridgeOptions,
  BridgeResult,
  DialPlan,
  HboneError,
  HboneServerConnection,
  HboneServerHandler,
  HboneSettings,
  InboundStream,
  OutboundStream,
  PendingConnect,
  PoolKey,
} from '../index.ts';

export const clientId = 'spiffe://cluster.local/ns/a/sa/client';
export const serverId = 'spiffe://cluster.local/ns/b/sa/server';

/** For `connect` of Node's TLS. */
interface NodeTlsOptions {
  readonly port: number;
  readonly host: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly ALPNProtocols: string[];
  readonly checkServerIdentity: () => undefined;
}

/** Everything a test makes, undone when it ends. */
export class Rig extends LoopRig {
  readonly ca: TestCa = makeTestCa();
  readonly clientCertificate: TestCertificate = this.ca.issue(clientId);
  readonly serverCertificate: TestCertificate = this.ca.issue(serverId);
  readonly clientTls: TlsContext = io.tlsContext(this.clientCertificate);
  readonly serverTls: TlsContext = io.tlsContext(this.serverCertificate);

  /** With the client's certificate, for a client of Node's; whoever the server is, it is of this CA. */
  tlsOptions(port: number): NodeTlsOptions {
    return {
      port,
      host: '127.0.0.1',
      ca: this.ca.rootsPem,
      cert: this.clientCertificate.certificateChainPem,
      key: this.clientCertificate.privateKeyPem,
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
    };
  }

  /** Connects in the loop; -1 if that fails. */
  connect(port: number, onConnected: (fd: Fd) => void): void {
    const fd = io.tcpConnect({ address: '127.0.0.1', port });
    this.loop.add(fd, EPOLLOUT, {
      onEvents: () => {
        this.loop.remove(fd);
        if (io.socketError(fd) === 0) return onConnected(fd);
        io.close(fd);
        onConnected(-1);
      },
    });
  }

  /** A node:net server that keeps half-open connections; returns its port. */
  async application(onSocket: (socket: net.Socket) => void): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      this.defer(() => socket.destroy());
      onSocket(socket);
    });
    this.defer(() => server.close());
    return listenOnLoopback(server);
  }

  server(settings: Partial<HboneSettings> = {}): HboneServer {
    const server = new HboneServer({ loop: this.loop, settings });
    this.defer(() => server.close());
    return server;
  }

  pool(settings: Partial<HboneSettings> = {}): HbonePool {
    const pool = new HbonePool({ loop: this.loop, settings });
    this.defer(() => pool.close());
    return pool;
  }
}

/** An inbound proxy that dials the authority's port on loopback and answers 503 if that fails. */
export class InboundProxy implements HboneServerHandler {
  readonly results: BridgeResult[] = [];
  readonly connections: HboneServerConnection[] = [];
  readonly requests: InboundStream[] = [];
  readonly closed: (HboneError | undefined)[] = [];
  readonly handshakeErrors: HboneError[] = [];
  readonly #rig: Rig;
  acceptsPeer = true;
  bridgeOptions: BridgeOptions = {};
  onConnectHook: ((stream: InboundStream) => void) | undefined;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  onPeer(connection: HboneServerConnection): boolean {
    this.connections.push(connection);
    return this.acceptsPeer;
  }

  onConnect(stream: InboundStream): void {
    this.requests.push(stream);
    if (this.onConnectHook !== undefined) return this.onConnectHook(stream);
    if (stream.method !== 'CONNECT') return stream.respond(400);
    this.#rig.connect(Number(stream.authority.split(':')[1]), (fd) => {
      if (fd < 0) return stream.respond(503);
      stream.respond(200, [['baggage', 'k8s.namespace.name=b']]);
      stream.bridge(fd, { onClose: (result) => this.results.push(result) }, this.bridgeOptions);
    });
  }

  onClosed(_connection: HboneServerConnection, error: HboneError | undefined): void {
    this.closed.push(error);
  }

  onHandshakeFailed(_connection: HboneServerConnection, error: HboneError): void {
    this.handshakeErrors.push(error);
  }
}

/** An outbound proxy: every connection to `port` becomes a CONNECT for `authority`. */
export class OutboundProxy {
  readonly port: number;
  readonly results: BridgeResult[] = [];
  readonly errors: HboneError[] = [];
  readonly streams: OutboundStream[] = [];
  readonly pending: PendingConnect[] = [];
  authority: string;

  constructor(rig: Rig, pool: HbonePool, hbonePort: number, authority: string, plan: Partial<DialPlan> = {}) {
    this.authority = authority;
    const dial = dialPlan(rig, hbonePort, plan);
    this.port = rig.listen((fd) => {
      const headers = [
        ['baggage', 'k8s.namespace.name=a'],
        ['forwarded', 'for="127.0.0.1:1"'],
      ] as const;
      const request = { authority: this.authority, headers, earlyFd: fd };
      this.pending.push(
        pool.connect(poolKey(hbonePort), dial, request, {
          onConnected: (stream) => {
            this.streams.push(stream);
            stream.bridge(fd, { onClose: (result) => this.results.push(result) });
          },
          onError: (error) => {
            this.errors.push(error);
            io.close(fd);
          },
        }),
      );
    });
  }
}

export function poolKey(port: number): PoolKey {
  return {
    sourceIdentity: clientId,
    destinationIdentities: [serverId],
    address: '127.0.0.1',
    port,
    sourceAddress: '127.0.0.1',
  };
}

export function dialPlan(rig: Rig, port: number, plan: Partial<DialPlan> = {}): DialPlan {
  const verifyPeer = (names: readonly string[]): boolean => names.includes(serverId);
  return { address: '127.0.0.1', port, tls: rig.clientTls, verifyPeer, ...plan };
}

/** A node:net client that collects what it gets. */
export class Client {
  readonly socket: net.Socket;
  received: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  isEnded = false;
  isClosed = false;

  constructor(rig: Rig, port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (data: Buffer) => (this.received = Buffer.concat([this.received, data])));
    this.socket.on('end', () => (this.isEnded = true));
    this.socket.on('close', () => (this.isClosed = true));
    this.socket.on('error', () => {});
    rig.defer(() => this.socket.destroy());
  }
}

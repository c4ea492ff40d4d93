/**
 * A gRPC server over TLS on the mesh's own HTTP/2: for streams that a thousand clients hold and that are written to many
 * times a second, where each message costs a fraction of what it does through Node's TLS, HTTP/2 and grpc-js.
 * Not here: compressed requests, deadlines of clients, reflection. Everything runs on the thread that made it.
 */
import { lookup } from 'node:dns/promises';
import { defaultHttp2Settings, defaultServerConnectionSettings, type ServerConnectionSettings } from '@ambit/exchange';
import {
  type Fd,
  formatSocketAddress,
  io,
  NodeEventLoop,
  parseIp,
  secureSocket,
  type TlsContext,
  type TlsSession,
} from '@ambit/net';
import { GrpcError } from '../grpc-error.ts';
import type { ServerTlsMaterial } from '../server-credentials.ts';
import { RpcAcceptor } from './rpc-acceptor.ts';
import type { RpcCallSettings, RpcMethod, RpcPeer } from './rpc-call.ts';
import { RpcConnection, type RpcConnectionSettings } from './rpc-connection.ts';

/** Certificate and roots, which may be replaced. */
export interface TlsSource {
  readonly material: ServerTlsMaterial;
  onChange(handler: (material: ServerTlsMaterial) => void): Disposable;
}

export interface RpcPortOptions extends RpcCallSettings {
  /** IP address or host name. */
  readonly address: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** Clients' certificates are asked for if there are roots; none, and one that does not verify, go on unauthenticated. */
  readonly tls: TlsSource;
  readonly methods: readonly RpcMethod[];
}

/** As before with grpc-js, see `GrpcServer`. */
const HTTP: ServerConnectionSettings = {
  ...defaultServerConnectionSettings,
  scheme: 'https',
  http2: {
    ...defaultHttp2Settings,
    maxStreams: 1_000,
    streamWindowBytes: 4 * 1024 * 1024,
    connectionWindowBytes: 4 * 1024 * 1024,
    pingIntervalMs: 30_000,
    pingTimeoutMs: 10_000,
  },
};
const MAX_AGE_MS = 30 * 60_000;
const AGE_GRACE_MS = 10_000;
const HANDSHAKE_MS = 20_000;
/** Further ones are closed at once. */
const MAX_CONNECTIONS = 25_000;
/** What a slow client may have waiting besides its TLS records; more is not made before it has taken some. */
const MARKS = { highBytes: 64 * 1024, lowBytes: 16 * 1024 };

/** Listens from its making to its end. */
export class RpcPort implements AsyncDisposable {
  readonly port: number;
  readonly #loop: NodeEventLoop;
  readonly #acceptor: RpcAcceptor;
  readonly #settings: RpcConnectionSettings;
  readonly #connections = new Set<RpcConnection>();
  readonly #handshakes = new Set<Disposable>();
  readonly #following: Disposable;
  #context: TlsContext;
  #onEmpty: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(options: RpcPortOptions, address: string) {
    const { port, tls, methods, maxRequestBytes, onHandlerError } = options;
    this.#settings = {
      methods: new Map(methods.map((method) => [method.path, method])),
      http: HTTP,
      maxAgeMs: MAX_AGE_MS,
      ageGraceMs: AGE_GRACE_MS,
      maxRequestBytes,
      onHandlerError,
    };
    this.#context = contextOf(tls.material);
    this.#loop = new NodeEventLoop();
    try {
      this.#acceptor = new RpcAcceptor(this.#loop, { address, port }, (fd) => this.#accept(fd));
    } catch (error) {
      this.#loop[Symbol.dispose]();
      throw new GrpcError('UNAVAILABLE', `cannot listen on ${address}:${port}`, { source: 'internal', cause: error });
    }
    this.port = this.#acceptor.port;
    this.#following = tls.onChange((material) => {
      this.#context = contextOf(material);
    });
  }

  /** Rejects with GrpcError UNAVAILABLE if the address cannot be bound, NetError for material that cannot be used. */
  static async listen(options: RpcPortOptions): Promise<RpcPort> {
    const { address } = options;
    return new RpcPort(options, parseIp(address) === undefined ? (await lookup(address)).address : address);
  }

  /**
   * Stops: no new connections, GOAWAY, calls in progress may finish until the deadline, then everything is cut.
   * Never rejects; a second call waits for the first.
   */
  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  /** Stops at once. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop(0);
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#acceptor.close();
    this.#following[Symbol.dispose]();
    for (const handshake of this.#handshakes) handshake[Symbol.dispose]();
    this.#handshakes.clear();
    for (const connection of this.#connections) connection.drain();
    await this.#empty(deadlineMs);
    for (const connection of this.#connections) connection.close();
    // A turn in which GOAWAY leaves.
    await this.#empty(50);
    for (const connection of this.#connections) connection.close();
    await this.#empty(50);
    this.#loop[Symbol.dispose]();
  }

  /** Resolves when the last connection has ended, or in time. */
  async #empty(deadlineMs: number): Promise<void> {
    if (this.#connections.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    this.#onEmpty = resolve;
    await promise;
    clearTimeout(timer);
  }

  #accept(fd: Fd): void {
    if (this.#connections.size + this.#handshakes.size >= MAX_CONNECTIONS) return void io.close(fd);
    io.setNoDelay(fd, true);
    const loop = this.#loop;
    const options = { context: this.#context, role: 'server', timeoutMs: HANDSHAKE_MS, marks: MARKS } as const;
    const handshake = secureSocket(loop, fd, options, {
      onSecured: (channel, session) => {
        this.#handshakes.delete(handshake);
        const peer = peerOf(fd, session);
        const connection = new RpcConnection(channel, loop, peer, this.#settings, (ended) => this.#forget(ended));
        this.#connections.add(connection);
      },
      onSecureFailed: () => void this.#handshakes.delete(handshake),
    });
    this.#handshakes.add(handshake);
  }

  #forget(connection: RpcConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }
}

function peerOf(fd: Fd, session: TlsSession): RpcPeer {
  const clientCertificate = io.tlsVerified(session) === 1 ? io.tlsPeerCertificate(session) : undefined;
  return { address: formatSocketAddress(io.peerAddress(fd)), clientCertificate };
}

function contextOf({ certificateChainPem, privateKeyPem, clientRootsPem }: ServerTlsMaterial): TlsContext {
  return io.edgeTlsContext(
    {
      certificate: { chainPem: certificateChainPem, keyPem: privateKeyPem },
      alpn: ['h2'],
      ...(clientRootsPem === undefined ? {} : { clientCertificate: 'optional', rootsPem: clientRootsPem }),
    },
    'server',
  );
}

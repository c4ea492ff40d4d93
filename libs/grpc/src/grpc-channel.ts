import { isIP } from 'node:net';
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type MethodDefinition,
  Metadata,
  credentials,
} from '@grpc/grpc-js';
import { TlsChannelCredentials } from './channel-credentials.ts';
import {
  type CallOptions,
  callHeaders,
  checkedAddress,
  DEFAULT_MAX_RECEIVE_BYTES,
  DEFAULT_UNARY_TIMEOUT_MS,
  type GrpcClient,
  type GrpcClientOptions,
} from './grpc-client.ts';
import { GrpcError, toGrpcError } from './grpc-error.ts';
import { authorityOf, type ServerAddress } from './server-address.ts';
import { loadTrustRoots, TrustRootsWatch } from './trust-roots.ts';

interface Connection {
  readonly client: Client;
  calls: number;
  retired: boolean;
}

/**
 * A channel to one server over grpc-js. Connects when first used. When the directory of the root file changes, the next call opens a
 * new connection with the new roots; calls in progress finish on the old one. If the new roots cannot be read the old
 * connection stays and the next call tries again.
 *
 * Owner: whoever constructs it closes it (`close` or `using`).
 */
export class GrpcChannel implements GrpcClient {
  readonly #options: GrpcClientOptions;
  readonly #target: ServerAddress;
  readonly #roots: TrustRootsWatch;
  #connection: Connection | undefined;
  #closed = false;

  /** Throws GrpcError INVALID_ARGUMENT for a bad address, a token on plaintext, or TLS without roots. */
  constructor(options: GrpcClientOptions) {
    this.#options = options;
    this.#target = checkedAddress(options);
    this.#roots = new TrustRootsWatch(options.roots, options.rootsDebounceMs);
  }

  /** Makes a unary call. Rejects with GrpcError. */
  async unary<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, options: CallOptions = {}): Promise<Res> {
    const connection = this.#use();
    const metadata = this.#metadata(options.headers);
    try {
      return await new Promise<Res>((resolve, reject) => {
        if (options.signal?.aborted === true) {
          reject(new GrpcError('CANCELLED', 'cancelled before the call', { cause: options.signal.reason }));
          return;
        }
        const deadline = Date.now() + (options.timeoutMs ?? DEFAULT_UNARY_TIMEOUT_MS);
        const onAbort = (): void => call.cancel();
        const call = connection.client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          metadata,
          { deadline },
          (error, response) => {
            options.signal?.removeEventListener('abort', onAbort);
            if (error !== null) reject(toGrpcError(error));
            else if (response === undefined) reject(new GrpcError('INTERNAL', 'answer without a message'));
            else resolve(response);
          },
        );
        options.signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      this.#release(connection);
    }
  }

  /**
   * Opens a bidirectional stream. The caller handles `data`, `error` and `end`, and ends or cancels it; errors are raw
   * grpc-js errors, see {@link toGrpcError}. Throws GrpcError if token or roots cannot be read.
   */
  bidi<Req, Res>(method: MethodDefinition<Req, Res>, options: CallOptions = {}): ClientDuplexStream<Req, Res> {
    options.signal?.throwIfAborted();
    const metadata = this.#metadata(options.headers);
    const connection = this.#use();
    const deadline = options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
    const stream = connection.client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
      deadline,
    );
    const onAbort = (): void => stream.cancel();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    stream.once('status', () => {
      options.signal?.removeEventListener('abort', onAbort);
      this.#release(connection);
    });
    return stream;
  }

  /** Closes the channel; calls in progress may finish, new ones are refused. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#roots[Symbol.dispose]();
    if (this.#connection !== undefined) this.#retire(this.#connection);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #use(): Connection {
    if (this.#closed) throw new GrpcError('CANCELLED', 'the channel is closed');
    if (this.#connection === undefined) {
      this.#roots.hasChanged = false;
      this.#connection = this.#open();
    } else if (this.#roots.hasChanged) {
      this.#reopen(this.#connection);
    }
    this.#connection.calls += 1;
    return this.#connection;
  }

  #reopen(old: Connection): void {
    try {
      this.#connection = this.#open();
      this.#roots.hasChanged = false;
      this.#retire(old);
    } catch {
      // Half-written roots: keep the working connection, `hasChanged` stays set for the next call.
    }
  }

  #open(): Connection {
    const { host, isPlaintext } = this.#target;
    const roots = this.#options.roots;
    const channelCredentials =
      isPlaintext || roots === undefined
        ? credentials.createInsecure()
        : new TlsChannelCredentials({
            roots: loadTrustRoots(roots),
            host,
            ...(this.#options.altHostname === undefined ? {} : { altHostname: this.#options.altHostname }),
            ...(this.#options.clientCertificate === undefined
              ? {}
              : { clientCertificate: this.#options.clientCertificate }),
          });
    const client = new Client(
      targetOf(this.#target),
      channelCredentials,
      channelOptions(this.#options.maxReceiveBytes),
    );
    return { client, calls: 0, retired: false };
  }

  #release(connection: Connection): void {
    connection.calls -= 1;
    if (connection.retired && connection.calls === 0) connection.client.close();
  }

  #retire(connection: Connection): void {
    connection.retired = true;
    if (connection.calls === 0) connection.client.close();
  }

  #metadata(ofCall: Readonly<Record<string, string>> | undefined): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of callHeaders(this.#options, ofCall)) metadata.set(name, value);
    return metadata;
  }
}

/** In the syntax of grpc-js' resolvers. */
function targetOf(address: ServerAddress): string {
  const family = isIP(address.host);
  return `${family === 6 ? 'ipv6' : family === 4 ? 'ipv4' : 'dns'}:${authorityOf(address)}`;
}

/** Istio: ztunnel's channel; PING every 30 s while a stream is open, 10 s to answer, reconnect after 10 ms x2 up to 15 s. */
function channelOptions(maxReceiveBytes: number | undefined): ChannelOptions {
  return {
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 0,
    'grpc.initial_reconnect_backoff_ms': 10,
    'grpc.max_reconnect_backoff_ms': 15_000,
    'grpc.max_receive_message_length': maxReceiveBytes ?? DEFAULT_MAX_RECEIVE_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    // A proxy from the environment would see who talks to the control plane, and the mesh must not depend on one.
    'grpc.enable_http_proxy': 0,
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
    'grpc.use_local_subchannel_pool': 1,
  };
}

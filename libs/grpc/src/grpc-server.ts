import {
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { GrpcError } from './grpc-error.ts';
import type { GrpcHandler, HandlerErrorListener } from './grpc-handler.ts';
import type { TlsServerCredentials } from './server-credentials.ts';

/** How a server behaves; the defaults are those of the mesh's control plane. */
export interface GrpcServerOptions {
  readonly handlers: readonly GrpcHandler[];
  /** Largest request accepted, bytes; default 4 MiB. */
  readonly maxReceiveBytes?: number;
  /** Streams one connection may hold at once; default 1000. */
  readonly maxConcurrentStreams?: number;
  /** Age after which a connection gets GOAWAY, milliseconds, with 10 % jitter; default 30 minutes. */
  readonly maxConnectionAgeMs?: number;
  /** Told about exceptions of handlers that are not GrpcError. */
  readonly onHandlerError?: HandlerErrorListener;
}

/** Where a server listens. Without `tls` it is plaintext: only for loopback and in-process tests. */
export interface ListenOptions {
  readonly address: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly tls?: TlsServerCredentials;
}

const DEFAULT_STOP_DEADLINE_MS = 10_000;

/**
 * A gRPC server over a list of handlers. RPCs of the same services without a handler answer UNIMPLEMENTED.
 * Idle connections are pinged after 30 s and closed if no answer comes within 10 s (control-plane contract 1.4).
 */
export class GrpcServer implements AsyncDisposable {
  readonly #server: Server;
  #stopped: Promise<void> | undefined;

  constructor(options: GrpcServerOptions) {
    this.#server = new Server(serverOptions(options));
    const definition: Record<string, ServiceDefinition[string]> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const handler of options.handlers) {
      definition[handler.method.path] = handler.method;
      implementation[handler.method.path] = handler.handle(options.onHandlerError ?? (() => undefined));
    }
    this.#server.addService(definition, implementation);
  }

  /** Starts listening and resolves with the port. Rejects with GrpcError UNAVAILABLE if the address cannot be bound. */
  listen(options: ListenOptions): Promise<number> {
    const host = options.address.includes(':') ? `[${options.address}]` : options.address;
    const credentials = options.tls ?? ServerCredentials.createInsecure();
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${options.port}`, credentials, (error, port) => {
        if (error === null) resolve(port);
        else
          reject(
            new GrpcError('UNAVAILABLE', `cannot listen on ${host}:${options.port}`, {
              source: 'internal',
              cause: error,
            }),
          );
      });
    });
  }

  /**
   * Stops: no new connections or calls, GOAWAY to clients, calls in progress may finish until the deadline, then
   * everything is cut. Never rejects; a second call waits for the first.
   */
  stop(deadlineMs: number = DEFAULT_STOP_DEADLINE_MS): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      const force = setTimeout(() => {
        this.#server.forceShutdown();
        // A connection whose handshake ends only now is in nobody's list; it must not hold up the end of a process.
        resolve();
      }, deadlineMs);
      this.#server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
    return this.#stopped;
  }

  /** Stops at once. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop(0);
  }
}

function serverOptions(options: GrpcServerOptions): ServerOptions {
  return {
    // Nobody reads these tables, and they are kept for each call.
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_connection_age_ms': options.maxConnectionAgeMs ?? 30 * 60_000,
    'grpc.max_connection_age_grace_ms': 10_000,
    'grpc.max_concurrent_streams': options.maxConcurrentStreams ?? 1000,
    'grpc.max_receive_message_length': options.maxReceiveBytes ?? 4 * 1024 * 1024,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
  };
}

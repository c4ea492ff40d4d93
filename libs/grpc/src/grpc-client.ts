/** What calls of gRPC methods need, whatever carries them. */
import type { MethodDefinition } from '@grpc/grpc-js';
import { GrpcError } from './grpc-error.ts';
import { type ServerAddress, parseServerAddress } from './server-address.ts';
import { type TokenSource, readToken } from './token-source.ts';
import type { TrustRoots } from './trust-roots.ts';

/** PEM chain (leaf first) and PEM private key. */
export interface ClientCertificate {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** How to reach and authenticate to one gRPC server. */
export interface GrpcClientOptions {
  /** `https://host:port`, `host:port` (the same), or `http://host:port` for plaintext. */
  readonly address: string;
  /** Trust anchors; required unless the address is plaintext. */
  readonly roots?: TrustRoots;
  /** A second name the server's certificate may be valid for. */
  readonly altHostname?: string;
  /** Bearer token sent with each call; refused on a plaintext channel. */
  readonly token?: TokenSource;
  /** Sent as `clusterid` with each call. Istio: CLUSTER_ID. */
  readonly clusterId?: string;
  /** Further headers of each call. Istio: XDS_HEADER_*, CA_HEADER_*. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Own certificate, for servers that take one instead of a token. */
  readonly clientCertificate?: ClientCertificate;
  /** Largest message accepted from the server, bytes; default 200 MiB because a full wildcard xDS answer is one message. */
  readonly maxReceiveBytes?: number;
  /** Quiet time before changed roots are used, milliseconds; default 2000. */
  readonly rootsDebounceMs?: number;
}

/** Options of one call. */
export interface CallOptions {
  /** Ends the call with CANCELLED. */
  readonly signal?: AbortSignal;
  /** Deadline of a unary call, milliseconds from now; default 30 000. */
  readonly timeoutMs?: number;
  /** Headers of this call only. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Both directions of a stream. Iterating ends with the stream, and throws what {@link toGrpcError} reads if that is no OK. */
export interface GrpcStream<Req, Res> extends AsyncIterable<Res> {
  /** Sends a message, whatever waits to leave; false: more than a little does. */
  write(message: Req): boolean;
  /** No more messages from here. */
  end(): unknown;
  /** Gives it up. */
  cancel(): void;
}

/** Makes calls to one server. Owner: whoever constructs it closes it (`close` or `using`). */
export interface GrpcClient extends Disposable {
  /** Makes a unary call. Rejects with GrpcError. */
  unary<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, options?: CallOptions): Promise<Res>;
  /** Opens a bidirectional stream. Throws GrpcError if token or roots cannot be read. */
  bidi<Req, Res>(method: MethodDefinition<Req, Res>, options?: CallOptions): GrpcStream<Req, Res>;
  /** Calls in progress may finish, new ones are refused. Idempotent. */
  close(): void;
}

export const DEFAULT_UNARY_TIMEOUT_MS = 30_000;
export const DEFAULT_MAX_RECEIVE_BYTES: number = 200 * 1024 * 1024;

/** Where the server is. Throws GrpcError INVALID_ARGUMENT for a bad address, a token on plaintext, or TLS without roots. */
export function checkedAddress({ address, token, roots }: GrpcClientOptions): ServerAddress {
  const parsed = parseServerAddress(address);
  if (parsed.isPlaintext) {
    if (token !== undefined) throw new GrpcError('INVALID_ARGUMENT', 'a bearer token is never sent over plaintext');
  } else if (roots === undefined) {
    throw new GrpcError('INVALID_ARGUMENT', 'a TLS channel needs trust roots');
  }
  return parsed;
}

/** The headers of a call, with the token as it is now. Throws GrpcError UNAUTHENTICATED if that cannot be read. */
export function callHeaders(
  { token, clusterId, headers }: GrpcClientOptions,
  ofCall: Readonly<Record<string, string>> | undefined,
): ReadonlyMap<string, string> {
  const all = new Map<string, string>();
  for (const [name, value] of Object.entries({ ...headers, ...ofCall })) all.set(name.toLowerCase(), value);
  const bearer = token === undefined ? '' : readToken(token);
  // A value that ends with a blank is no legal field, and servers reset the stream instead of saying who may call.
  if (bearer !== '') all.set('authorization', `Bearer ${bearer}`);
  if (clusterId !== undefined) all.set('clusterid', clusterId);
  return all;
}

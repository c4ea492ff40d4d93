/**
 * Calls of gRPC methods over the mesh's own TLS and HTTP/2: without Node's TLS and HTTP/2 and grpc-js, which are some 20 MiB
 * of each process. Everything runs on the thread that made it.
 */
import { io, NodeEventLoop } from '@ambit/net';
import { Backoff } from '@ambit/runtime';
import type { MethodDefinition } from '@grpc/grpc-js';
import {
  type CallOptions,
  callHeaders,
  checkedAddress,
  DEFAULT_MAX_RECEIVE_BYTES,
  DEFAULT_UNARY_TIMEOUT_MS,
  type GrpcClient,
  type GrpcClientOptions,
  type GrpcStream,
} from '../grpc-client.ts';
import { GrpcError } from '../grpc-error.ts';
import { authorityOf, type ServerAddress } from '../server-address.ts';
import { loadTrustRoots, TrustRootsWatch } from '../trust-roots.ts';
import { type CallHead, checkedFields, RpcClientCall } from './rpc-client-call.ts';
import { RpcClientConnection, type ConnectionListener } from './rpc-client-connection.ts';
import type { ServerTrust } from './server-link.ts';

/**
 * A channel to one server. Connects when first used, and again when it has to; after an attempt that failed calls fail with
 * its reason until the next one is due. When the directory of the root file changes, the next call opens a new connection with
 * the new roots; calls in progress finish on the old one. If the new roots cannot be read the old connection stays and the
 * next call tries again. A connection without calls ends.
 *
 * Owner: whoever constructs it closes it (`close` or `using`); until then it keeps the process alive once it was used.
 */
export class RpcChannel implements GrpcClient, ConnectionListener {
  readonly #options: GrpcClientOptions;
  readonly #address: ServerAddress;
  readonly #roots: TrustRootsWatch;
  readonly #backoff = new Backoff({ initialMs: 10, maxMs: 15_000 });
  readonly #connections = new Set<RpcClientConnection>();
  #loop: NodeEventLoop | undefined;
  #current: RpcClientConnection | undefined;
  /** Of the last attempt, and until when nothing else is tried. */
  #failure: { readonly error: GrpcError; readonly untilMs: number } | undefined;
  #isClosed = false;

  /** Throws GrpcError INVALID_ARGUMENT for a bad address, a token on plaintext, or TLS without roots. */
  constructor(options: GrpcClientOptions) {
    this.#options = options;
    this.#address = checkedAddress(options);
    this.#roots = new TrustRootsWatch(options.roots, options.rootsDebounceMs);
  }

  /** Made again, once, when the server did not look at it. */
  async unary<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, options: CallOptions = {}): Promise<Res> {
    const endsAtMs = performance.now() + (options.timeoutMs ?? DEFAULT_UNARY_TIMEOUT_MS);
    const bytes = method.requestSerialize(request);
    for (let isRepeated = false; ; isRepeated = true) {
      const call = this.#call(method.path, options, Math.max(endsAtMs - performance.now(), 1));
      call.write(bytes);
      call.end();
      try {
        const answer = await call.next();
        if (answer === undefined) throw new GrpcError('INTERNAL', 'answer without a message');
        const message = decoded(method, answer);
        if ((await call.next()) === undefined) return message;
        throw new GrpcError('INTERNAL', 'more than one message is no answer to a unary call');
      } catch (error) {
        if (!call.wasRefused || isRepeated) throw error;
      } finally {
        call.fail(new GrpcError('CANCELLED', 'not wanted any more'));
      }
    }
  }

  bidi<Req, Res>(method: MethodDefinition<Req, Res>, options: CallOptions = {}): GrpcStream<Req, Res> {
    options.signal?.throwIfAborted();
    const call = this.#call(method.path, options, options.timeoutMs);
    const messages = async function* (): AsyncGenerator<Res, void, undefined> {
      try {
        for (let bytes = await call.next(); bytes !== undefined; bytes = await call.next()) {
          yield decoded(method, bytes);
        }
      } finally {
        call.fail(new GrpcError('CANCELLED', 'not wanted any more'));
      }
    };
    return {
      write: (message) => call.write(method.requestSerialize(message)),
      end: () => call.end(),
      cancel: () => call.fail(new GrpcError('CANCELLED', 'cancelled by the caller')),
      [Symbol.asyncIterator]: messages,
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#roots[Symbol.dispose]();
    this.#current?.retire();
    this.#current = undefined;
    this.#disposeIfUnused();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // --- of the connections

  onConnected(): void {
    this.#backoff.reset();
    this.#failure = undefined;
  }

  onFailed(error: GrpcError): void {
    this.#failure = { error, untilMs: performance.now() + this.#backoff.nextMs() };
  }

  onEnded(connection: RpcClientConnection): void {
    this.#connections.delete(connection);
    if (this.#current === connection) this.#current = undefined;
    this.#disposeIfUnused();
  }

  /** Throws GrpcError when it cannot even be tried. */
  #call(path: string, options: CallOptions, timeoutMs: number | undefined): RpcClientCall {
    if (this.#isClosed) throw new GrpcError('CANCELLED', 'the channel is closed');
    if (options.signal?.aborted === true) {
      throw new GrpcError('CANCELLED', 'cancelled before the call', { cause: options.signal.reason });
    }
    const headers = callHeaders(this.#options, options.headers);
    checkedFields(headers);
    const connection = this.#usable();
    const head: CallHead = {
      path,
      authority: authorityOf(this.#address),
      scheme: this.#address.isPlaintext ? 'http' : 'https',
      headers,
      timeoutMs,
      signal: options.signal,
      maxReceiveBytes: this.#options.maxReceiveBytes ?? DEFAULT_MAX_RECEIVE_BYTES,
    };
    const call = new RpcClientCall(head, () => connection.onCallOver());
    connection.take(call);
    return call;
  }

  #usable(): RpcClientConnection {
    const current = this.#current?.takesCalls === true ? this.#current : undefined;
    if (current !== undefined && !this.#roots.hasChanged) return current;
    if (current === undefined && this.#failure !== undefined && performance.now() < this.#failure.untilMs) {
      throw this.#failure.error;
    }
    try {
      const trust = this.#trust();
      this.#roots.hasChanged = false;
      this.#loop ??= new NodeEventLoop();
      this.#current?.retire();
      this.#current = new RpcClientConnection(this.#loop, { address: this.#address, tls: trust }, this);
      this.#connections.add(this.#current);
      return this.#current;
    } catch (error) {
      // Half-written roots: the working connection stays, and the next call tries again.
      if (current !== undefined) return current;
      throw error;
    }
  }

  /** Throws GrpcError UNAVAILABLE or NetError TLS_CONTEXT when there are no usable roots. */
  #trust(): ServerTrust | undefined {
    const { roots, altHostname, clientCertificate: own } = this.#options;
    if (this.#address.isPlaintext || roots === undefined) return undefined;
    const pem = loadTrustRoots(roots);
    const certificate = own && { chainPem: own.certificateChainPem, keyPem: own.privateKeyPem };
    const context = io.edgeTlsContext(
      {
        rootsPem: typeof pem === 'string' ? pem : pem.join('\n'),
        alpn: ['h2'],
        ...(certificate === undefined ? {} : { certificate }),
      },
      'client',
    );
    return { context, names: [this.#address.host, ...(altHostname === undefined ? [] : [altHostname])] };
  }

  #disposeIfUnused(): void {
    const loop = this.#loop;
    if (!this.#isClosed || loop === undefined || this.#connections.size > 0) return;
    this.#loop = undefined;
    // Not in the middle of its own turn.
    setImmediate(() => loop[Symbol.dispose]());
  }
}

function decoded<Res>(
  method: Pick<MethodDefinition<unknown, Res>, 'responseDeserialize'>,
  { buffer, byteOffset, length }: Uint8Array,
): Res {
  try {
    return method.responseDeserialize(Buffer.from(buffer, byteOffset, length));
  } catch (cause) {
    throw new GrpcError('INTERNAL', 'the answer cannot be decoded', { cause });
  }
}

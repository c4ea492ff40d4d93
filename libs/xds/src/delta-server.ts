/**
 * Serves a {@link ResourceStore} over the delta ADS method: authenticates streams, gives each a {@link DeltaSession},
 * and turns store changes into pushes, all changes of one turn of the event loop into one round.
 * Does not listen: hand {@link DeltaServer.handler} to a `GrpcServer` with `maxReceiveBytes` of at least
 * {@link REQUEST_BYTES}, because a reconnect names every resource the client holds.
 */
import { randomUUID } from 'node:crypto';
import { discovery } from '@ambit/api';
import {
  bidiHandler,
  type CallContext,
  GrpcError,
  type GrpcHandler,
  type GrpcStatus,
  type MethodDefinition,
  methodDefinition,
  type ServerDuplexStream,
  withByteRequests,
  withByteResponses,
} from '@ambit/grpc';
import { type Clock, systemClock } from '@ambit/runtime';
import { decodeRequest } from './delta-request.ts';
import { type DeltaServerObserver, DeltaSession, type SessionSink } from './delta-session.ts';
import type { NameResolver } from './name-resolver.ts';
import type { ResourceStore } from './resource-store.ts';
import { XdsError, type XdsErrorCode } from './xds-error.ts';
import { checkNodeOwner, readNode, type XdsNode } from './xds-node.ts';

/** Room for the versions of some 500,000 resources in one reconnect request. */
export const REQUEST_BYTES: number = 64 * 1024 * 1024;

/** The delta method with requests and responses as bytes. */
export function deltaMethod(): MethodDefinition<Uint8Array, Uint8Array> {
  const { deltaAggregatedResources } = discovery.AggregatedDiscoveryService.method;
  return withByteRequests(withByteResponses(methodDefinition(deltaAggregatedResources)));
}

/** Who opened a stream. */
export interface XdsCaller {
  /** SPIFFE ids; empty on a port that authenticates nobody. */
  readonly identities: readonly string[];
}

export interface DeltaServerOptions {
  readonly store: ResourceStore;
  /** Default: a name stands only for the resource that bears it, and nothing is implied. */
  readonly resolver?: NameResolver;
  /** Throws GrpcError (UNAUTHENTICATED, PERMISSION_DENIED) to refuse a stream. */
  readonly authenticate: (call: CallContext) => Promise<XdsCaller> | XdsCaller;
  readonly observer?: DeltaServerObserver;
  /** How long a first Address answer waits for the same stream to ask for policies, milliseconds; default 100. */
  readonly holdMs?: number;
  readonly clock?: Clock;
}

const EXACT_NAMES = (store: ResourceStore): NameResolver => ({
  resolve: (typeUrl, name) => (store.get(typeUrl, name) === undefined ? [] : [{ name, aliases: [] }]),
  implied: () => [],
});

/** The one table from a code of this library to a gRPC status. */
const STATUS: Readonly<Record<XdsErrorCode, GrpcStatus>> = {
  MALFORMED: 'INVALID_ARGUMENT',
  UNKNOWN_TYPE: 'INTERNAL',
  TOO_MANY_NAMES: 'RESOURCE_EXHAUSTED',
  TOO_MANY_TYPES: 'RESOURCE_EXHAUSTED',
  BAD_NODE: 'INVALID_ARGUMENT',
  NODE_NOT_OF_CALLER: 'PERMISSION_DENIED',
};

type ByteStream = ServerDuplexStream<Uint8Array, Uint8Array>;

export class DeltaServer implements Disposable {
  readonly #options: DeltaServerOptions;
  readonly #resolver: NameResolver;
  readonly #clock: Clock;
  readonly #sessions = new Set<DeltaSession>();
  readonly #stopListening: () => void;
  #flushIsDue = false;
  #isClosed = false;

  constructor(options: DeltaServerOptions) {
    this.#options = options;
    this.#resolver = options.resolver ?? EXACT_NAMES(options.store);
    this.#clock = options.clock ?? systemClock;
    this.#stopListening = options.store.onChange((change) => {
      for (const session of this.#sessions) session.storeChanged(change);
      this.#flushSoon();
    });
  }

  /** Open streams that introduced themselves. */
  get streams(): number {
    return this.#sessions.size;
  }

  /** The RPC for a `GrpcServer`. */
  handler(): GrpcHandler {
    return bidiHandler(deltaMethod(), (stream, call) => this.#serve(stream, call));
  }

  /**
   * A session outside gRPC, for tests and in-process clients: the caller owns the transport, and ends the session by
   * calling the second value.
   */
  openSession(node: XdsNode, sink: SessionSink): readonly [session: DeltaSession, close: () => void] {
    const { store, observer = {}, holdMs = 100 } = this.#options;
    const session = new DeltaSession({
      store,
      resolver: this.#resolver,
      node,
      sink,
      observer,
      streamId: randomUUID(),
      systemVersion: () => this.#systemVersion(),
    });
    this.#sessions.add(session);
    observer.onStreamOpened?.(node);
    const hold = this.#clock.after(holdMs, () => {
      session.release();
      session.flush();
    });
    return [
      session,
      () => {
        hold[Symbol.dispose]();
        if (this.#sessions.delete(session)) observer.onStreamClosed?.(node);
      },
    ];
  }

  /** Stops pushing. Streams are the `GrpcServer`'s to close. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#stopListening();
  }

  async #serve(stream: ByteStream, call: CallContext): Promise<void> {
    const caller = await this.#options.authenticate(call);
    let session: DeltaSession | undefined;
    let close = (): void => undefined;
    const receive = (bytes: Uint8Array): void => {
      const { node, request } = decodeRequest(bytes);
      if (session === undefined) {
        const introduced = readNode(node);
        checkNodeOwner(introduced, caller.identities);
        [session, close] = this.openSession(introduced, { write: (message) => stream.write(message) });
      }
      session.receive(request);
      session.flush();
    };
    try {
      await readAll(stream, call.signal, receive, () => session?.resume());
    } finally {
      close();
    }
  }

  /** One flush for all changes of this turn. */
  #flushSoon(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    setImmediate(() => {
      this.#flushIsDue = false;
      if (this.#isClosed) return;
      for (const session of this.#sessions) session.flush();
    });
  }

  /** `<RFC 3339 second>/<counter>`, the form istiod uses; opaque to clients. */
  #systemVersion(): string {
    const second = new Date(this.#clock.wallTimeMs()).toISOString().replace(/\.\d+Z$/, 'Z');
    return `${second}/${this.#options.store.generation}`;
  }
}

/** Resolves when the client ends or leaves; rejects with a GrpcError when a request cannot be taken. */
function readAll(
  stream: ByteStream,
  signal: AbortSignal,
  receive: (bytes: Uint8Array) => void,
  resume: () => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.on('drain', resume);
  stream.on('end', resolve);
  stream.on('error', reject);
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (signal.aborted) resolve();
  stream.on('data', (bytes: Uint8Array) => {
    try {
      receive(bytes);
    } catch (error) {
      stream.pause();
      reject(error instanceof XdsError ? new GrpcError(STATUS[error.code], error.message, { cause: error }) : error);
    }
  });
  return promise;
}

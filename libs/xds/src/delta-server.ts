/**
 * Serves a {@link ResourceStore} over the delta ADS method: authenticates streams, gives each a {@link DeltaSession},
 * and turns store changes into rounds of pushes, paced so that the thread has time for the rest.
 * Does not listen: hand {@link DeltaServer.handler} to a `GrpcServer` with `maxReceiveBytes` of at least
 * {@link REQUEST_BYTES}, because a reconnect names every resource the client holds.
 */
import { randomUUID } from 'node:crypto';
import { discovery } from '@ambit/api';
import {
  bidiHandler,
  type CallContext,
  frameWriter,
  type FrameWriter,
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
import { PushPacer } from './push-pacer.ts';
import type { ResourceStore } from './resource-store.ts';
import { type EncodedResponse, ResponseEncoder } from './response-encoder.ts';
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
  /** Throws GrpcError to refuse what the stream says it is; called once, when it has introduced itself. */
  admit?(node: XdsNode): void;
  /** Whether the stream may be sent a resource of a private type, asked each time; absent: none. */
  mayRead?(typeUrl: string, name: string): boolean;
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
  /** How long a client may leave responses untaken before its stream is cut, milliseconds; default 60 s. */
  readonly writeTimeoutMs?: number;
  /** Streams at once; further ones are refused with RESOURCE_EXHAUSTED. Default 20,000. */
  readonly maxStreams?: number;
  /** See `ResponseEncoderOptions`. */
  readonly maxPinnedBytes?: number;
  readonly maxSendingBytes?: number;
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

/**
 * Header of clients that read gzip. The one of gRPC, `grpc-accept-encoding`, would say it, but grpc-js hides it from servers.
 */
export const ACCEPT_ENCODING = 'ambit-accept-encoding';

/** What a session may be told of its transport. */
export interface SessionOptions {
  /** Cuts the stream: its client takes nothing for too long. */
  readonly abort?: () => void;
  /** The sink may write `compressedFrame` where there is one; full answers then wait for it. Default false. */
  readonly acceptsGzip?: boolean;
  /** See `XdsCaller`. */
  readonly mayRead?: (typeUrl: string, name: string) => boolean;
}

/** How often old snapshots are dropped and slow clients looked for, milliseconds. */
const SWEEP_MS = 5_000;

interface OpenStream {
  readonly session: DeltaSession;
  readonly node: XdsNode;
  /** Cuts the stream. */
  readonly abort: () => void;
  /** Monotonic time since which the client takes nothing, as the sweep saw it. */
  blockedSinceMs: number | undefined;
}

export class DeltaServer implements Disposable {
  readonly #options: DeltaServerOptions;
  readonly #resolver: NameResolver;
  readonly #clock: Clock;
  readonly #encoder: ResponseEncoder;
  readonly #pacer: PushPacer;
  readonly #streams = new Set<OpenStream>();
  readonly #stopListening: () => void;
  #sweep: Disposable;
  #roundGeneration = 0;

  constructor(options: DeltaServerOptions) {
    const { store, resolver, clock = systemClock, maxPinnedBytes, maxSendingBytes } = options;
    this.#options = options;
    this.#resolver = resolver ?? EXACT_NAMES(store);
    this.#clock = clock;
    this.#encoder = new ResponseEncoder({
      store,
      nonceSource: randomUUID(),
      systemVersion: () => this.#systemVersion(),
      onReady: () => this.#pacer.request(),
      ...(maxPinnedBytes === undefined ? {} : { maxPinnedBytes }),
      ...(maxSendingBytes === undefined ? {} : { maxSendingBytes }),
    });
    this.#pacer = new PushPacer(
      clock,
      () => this.#pushAll(),
      (waitedMs, tookMs) => options.observer?.onRound?.(waitedMs, tookMs),
    );
    this.#stopListening = store.onChange(() => this.#pacer.request());
    this.#sweep = clock.after(SWEEP_MS, () => this.#sweepStreams());
  }

  /** Open streams that introduced themselves. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Streams whose client has not taken what it was sent. */
  get slowStreams(): number {
    let count = 0;
    for (const { session } of this.#streams) if (session.isBlocked) count += 1;
    return count;
  }

  /** Bytes of large answers that are with the transports of quick streams. */
  get sendingBytes(): number {
    return this.#encoder.sending.usedBytes;
  }

  /** Bytes of responses that are kept for streams which have not taken them. */
  get pinnedBytes(): number {
    return this.#encoder.pinnedBytes;
  }

  /** Distinct responses made so far, however many streams each was sent to. */
  get encodedResponses(): number {
    return this.#encoder.encoded;
  }

  /** The RPC for a `GrpcServer`. */
  handler(): GrpcHandler {
    return bidiHandler(deltaMethod(), (stream, call) => this.#serve(stream, call));
  }

  /**
   * A session outside gRPC, for tests and in-process clients: the caller owns the transport, and ends the session by
   * calling the second value.
   */
  openSession(
    node: XdsNode,
    sink: SessionSink,
    { abort = () => undefined, acceptsGzip = false, mayRead }: SessionOptions = {},
  ): readonly [session: DeltaSession, close: () => void] {
    const { store, observer = {}, holdMs = 100 } = this.#options;
    const session = new DeltaSession({
      store,
      encoder: this.#encoder,
      resolver: this.#resolver,
      node,
      sink,
      observer,
      acceptsGzip,
      ...(mayRead === undefined ? {} : { mayRead }),
      onBehind: () => this.#pacer.request(),
    });
    const open: OpenStream = { session, node, abort, blockedSinceMs: undefined };
    this.#streams.add(open);
    observer.onStreamOpened?.(node);
    const hold = this.#clock.after(holdMs, () => {
      session.release();
      session.answer();
    });
    return [
      session,
      () => {
        hold[Symbol.dispose]();
        session.close();
        if (this.#streams.delete(open)) observer.onStreamClosed?.(node);
      },
    ];
  }

  /** Stops pushing. Streams are the `GrpcServer`'s to close. */
  [Symbol.dispose](): void {
    this.#pacer[Symbol.dispose]();
    this.#sweep[Symbol.dispose]();
    this.#stopListening();
  }

  async #serve(stream: ByteStream, call: CallContext): Promise<void> {
    if (this.#streams.size >= (this.#options.maxStreams ?? 20_000)) {
      throw new GrpcError('RESOURCE_EXHAUSTED', 'too many xDS streams', { source: 'downstream' });
    }
    const caller = await this.#options.authenticate(call);
    let session: DeltaSession | undefined;
    let close = (): void => undefined;
    const receive = (bytes: Uint8Array): void => {
      const { node, request } = decodeRequest(bytes);
      if (session === undefined) {
        const introduced = readNode(node);
        checkNodeOwner(introduced, caller.identities);
        caller.admit?.(introduced);
        const readsGzip = call.header(ACCEPT_ENCODING) === 'gzip';
        const writer: FrameWriter = frameWriter(stream, readsGzip ? 'gzip' : undefined);
        const acceptsGzip = readsGzip && writer.isDirect;
        writer.onDrain(() => session?.resume());
        const write = ({ frame, compressedFrame }: EncodedResponse): boolean =>
          writer.write((acceptsGzip ? compressedFrame : undefined) ?? frame);
        const mayRead = (typeUrl: string, name: string): boolean => caller.mayRead?.(typeUrl, name) ?? false;
        const options = { abort: () => writer.abort(), acceptsGzip, mayRead };
        [session, close] = this.openSession(introduced, { write }, options);
      }
      session.receive(request);
      session.answer();
    };
    try {
      await readAll(stream, call.signal, receive);
    } finally {
      close();
    }
  }

  #pushAll(): void {
    const { store } = this.#options;
    this.#encoder.lastRound = this.#roundGeneration;
    this.#roundGeneration = store.generation;
    for (const { session } of this.#streams) session.flush();
    this.#forgetChanges();
  }

  /** Changes that all streams were told, and that no kept snapshot lacks, need no remembering. */
  #forgetChanges(): void {
    const { store } = this.#options;
    let needed = Math.min(store.generation, this.#encoder.oldestSnapshot);
    for (const { session } of this.#streams) needed = Math.min(needed, session.generation);
    store.forgetChanges(needed);
  }

  #sweepStreams(): void {
    this.#sweep = this.#clock.after(SWEEP_MS, () => this.#sweepStreams());
    const nowMs = this.#clock.nowMs();
    const { writeTimeoutMs = 60_000, observer } = this.#options;
    for (const open of this.#streams) {
      if (!open.session.isBlocked) open.blockedSinceMs = undefined;
      else if (open.blockedSinceMs === undefined) open.blockedSinceMs = nowMs;
      else if (nowMs - open.blockedSinceMs >= writeTimeoutMs) {
        observer?.onWriteTimeout?.(open.node);
        open.abort();
      } else open.session.letOthersSend();
    }
    this.#encoder.dropSnapshots();
    this.#forgetChanges();
  }

  /** `<RFC 3339 second>/<counter>`, the form istiod uses; opaque to clients. */
  #systemVersion(): string {
    const second = new Date(this.#clock.wallTimeMs()).toISOString().replace(/\.\d+Z$/, 'Z');
    return `${second}/${this.#options.store.generation}`;
  }
}

/** Resolves when the client ends or leaves; rejects with a GrpcError when a request cannot be taken. */
function readAll(stream: ByteStream, signal: AbortSignal, receive: (bytes: Uint8Array) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
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

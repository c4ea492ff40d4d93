/**
 * Serves a {@link ResourceStore} over the delta ADS method: authenticates streams, gives each a {@link DeltaSession},
 * and turns store changes into rounds of pushes, paced so that the thread has time for the rest.
 * Does not listen: hand {@link DeltaServer.handler} to a `GrpcServer` with `maxReceiveBytes` of at least
 * {@link REQUEST_BYTES}, because a reconnect names every resource the client holds.
 */
import { randomUUID } from 'node:crypto';
import {
  bidiHandler,
  type CallContext,
  frameWriter,
  type FrameWriter,
  GrpcError,
  type GrpcHandler,
  type ServerDuplexStream,
} from '@ambit/grpc';
import { type Clock, systemClock } from '@ambit/runtime';
import { deltaMethod } from './delta-method.ts';
import type { DecodedRequest } from './delta-request.ts';
import { type DeltaServerObserver, DeltaSession, type SessionSink } from './delta-session.ts';
import type { NameResolver } from './name-resolver.ts';
import { PushPacer } from './push-pacer.ts';
import type { ResourceStore } from './resource-store.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseEncoder } from './response-encoder.ts';
import { ServedStream, type SessionOptions, type StreamHost, type XdsCaller } from './served-stream.ts';
import type { XdsNode } from './xds-node.ts';

/** Room for the versions of some 500,000 resources in one reconnect request. */
export const REQUEST_BYTES: number = 64 * 1024 * 1024;

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

type ByteStream = ServerDuplexStream<Uint8Array, Uint8Array>;

/** How often old snapshots are dropped and slow clients looked for, milliseconds. */
const SWEEP_MS = 5_000;

/** Streams that are pushed to before others of the thread get their turn: a millisecond's work. */
const SLICE_STREAMS = 64;

interface OpenStream {
  readonly session: DeltaSession;
  readonly node: XdsNode;
  /** Cuts the stream. */
  readonly abort: () => void;
  /** Monotonic time since which the client takes nothing, as the sweep saw it. */
  blockedSinceMs: number | undefined;
}

export class DeltaServer implements StreamHost, Disposable {
  readonly #options: DeltaServerOptions;
  readonly #resolver: NameResolver;
  readonly #clock: Clock;
  readonly #encoder: ResponseEncoder;
  readonly #pacer: PushPacer;
  readonly #requests = new RequestReader();
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

  /**
   * Authenticates a stream of any transport. `open` makes its sending side when it has introduced itself. The caller hands
   * over requests and closes it at the end. Rejects with GrpcError.
   */
  async accept(call: CallContext, open: (encoding: 'gzip' | undefined) => FrameWriter): Promise<ServedStream> {
    if (this.#streams.size >= (this.#options.maxStreams ?? 20_000)) {
      throw new GrpcError('RESOURCE_EXHAUSTED', 'too many xDS streams', { source: 'downstream' });
    }
    return new ServedStream(this, await this.#options.authenticate(call), call, open);
  }

  /** Of {@link StreamHost}. */
  readRequest(bytes: Uint8Array, isView: boolean): DecodedRequest {
    return this.#requests.read(bytes, isView);
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
    const served = await this.accept(call, (encoding) => frameWriter(stream, encoding));
    try {
      await readAll(stream, call.signal, (bytes) => served.receive(bytes));
    } finally {
      served.close();
    }
  }

  *#pushAll(): Generator<void, void, undefined> {
    const { store } = this.#options;
    this.#encoder.lastRound = this.#roundGeneration;
    this.#roundGeneration = store.generation;
    let left = SLICE_STREAMS;
    for (const { session } of this.#streams) {
      session.flush();
      left -= 1;
      if (left > 0) continue;
      left = SLICE_STREAMS;
      yield;
    }
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
      reject(error);
    }
  });
  return promise;
}

/**
 * Delta ADS client: keeps what the server says in step with handlers that own the state, for ever.
 *
 * Does: subscribe, ACK and NACK, bounded slices, reconnect with versions, on-demand names. Does not: decode resources or
 * keep them. What was received stays valid while disconnected.
 * Spec: data-plane.md section 8.7, control-plane.md section 1.8.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { core } from '@ambit/api';
import { Backoff, delay, toAmbitError } from '@ambit/runtime';
import { encodeRequest } from './delta-request.ts';
import { type RawResource, type ScannedResponse, scanResponse } from './delta-response.ts';
import type { DeltaConnector, DeltaStream, Termination, TerminationKind } from './delta-transport.ts';
import { DemandedNames, type DemandOutcome } from './demanded-names.ts';
import { HeldVersions } from './held-versions.ts';
import { WILDCARD } from './subscription.ts';

/** A resource that the handler does not take. */
export interface Rejection {
  readonly name: string;
  /** For the operator of the control plane; goes into the NACK. */
  readonly reason: string;
}

/** A resource as handed to its handler. */
export type ReceivedResource = RawResource & { readonly value: Uint8Array };

/** Owner of one type's state. Its methods must be quick, synchronous, and must not throw. */
export interface DeltaTypeHandler {
  readonly typeUrl: string;
  /**
   * `on-demand`: nothing but what {@link DeltaClient.demand} asks for. `named`: what {@link DeltaClient.changeNames} says, for
   * as long as it says so, whether the server has it or not.
   */
  readonly mode: 'wildcard' | 'on-demand' | 'named';
  /** Takes up to a slice of resources; all but those returned are in force. The bytes are views: copy what is kept. */
  update(resources: readonly ReceivedResource[]): readonly Rejection[];
  /** Unknown names are ordinary and mean nothing. Called after the updates of the same response. */
  remove(names: readonly string[]): void;
  /** A response has been taken completely; a good moment to publish. */
  settled?(): void;
}

export interface DeltaClientObserver {
  onConnected?(): void;
  onTerminated?(termination: Termination, retryInMs: number): void;
  /** `bytes` is the sum of the resources, which is what Istio counts. */
  onMessage?(typeUrl: string, resources: number, removed: number, bytes: number): void;
  onRejected?(typeUrl: string, nonce: string, rejections: readonly Rejection[]): void;
}

export interface DeltaClientOptions {
  readonly connect: DeltaConnector;
  readonly node: core.Node;
  /** In the order in which the types are asked for. */
  readonly types: readonly DeltaTypeHandler[];
  readonly observer?: DeltaClientObserver;
  /** Most resources in one slice; default 256, a few milliseconds of decoding. */
  readonly sliceSize?: number;
  /** Waits between attempts; a parameter for tests. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const INITIAL_BACKOFF_MS = 10;
const MAX_BACKOFF_MS = 15_000;
/** Longest text of a NACK: enough for an operator, and no burden on the server's log. */
const MAX_NACK_LENGTH = 4_096;

export class DeltaClient {
  readonly #options: Required<Omit<DeltaClientOptions, 'wait'>> & Pick<DeltaClientOptions, 'wait'>;
  readonly #held = new Map<string, HeldVersions>();
  readonly #demanded = new DemandedNames();
  readonly #named = new Map<string, Set<string>>();
  readonly #unsynced: Set<string>;
  readonly #synced = Promise.withResolvers<void>();
  #stream: DeltaStream | undefined;

  constructor(options: DeltaClientOptions) {
    this.#options = { observer: {}, sliceSize: 256, ...options };
    for (const { typeUrl, mode } of options.types) {
      this.#held.set(typeUrl, new HeldVersions());
      if (mode === 'named') this.#named.set(typeUrl, new Set());
    }
    this.#unsynced = new Set(options.types.filter(({ mode }) => mode === 'wildcard').map(({ typeUrl }) => typeUrl));
    if (this.#unsynced.size === 0) this.#synced.resolve();
  }

  /** Is a stream open now? */
  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  /** Wildcard types that have not had an answer that was accepted as a whole. Never grows. */
  get unsynced(): readonly string[] {
    return [...this.#unsynced];
  }

  /** Fulfilled once every wildcard type has been answered and acknowledged. */
  get initialSync(): Promise<void> {
    return this.#synced.promise;
  }

  /** Connects and reconnects until the signal is aborted; then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const wait = this.#options.wait ?? ((ms, abort) => delay(ms, { signal: abort }));
    const backoff = new Backoff({ initialMs: INITIAL_BACKOFF_MS, maxMs: MAX_BACKOFF_MS });
    while (!signal.aborted) {
      const { termination, messages } = await this.#connectOnce(signal);
      if (signal.aborted) return;
      const retryInMs = retryDelay(termination.kind, messages, backoff);
      this.#options.observer.onTerminated?.(termination, retryInMs);
      try {
        if (retryInMs > 0) await wait(retryInMs, signal);
      } catch {
        // Only the signal ends a wait early, and the loop looks at it.
      }
    }
  }

  /**
   * Asks for one name of an on-demand type. Resolves when the server has answered it and the handler has taken the
   * answer; survives reconnects. Rejects only with the signal's reason.
   */
  demand(typeUrl: string, name: string, { signal }: { readonly signal: AbortSignal }): Promise<DemandOutcome> {
    const outcome = this.#demanded.wait(typeUrl, name, signal);
    this.#held.get(typeUrl)?.demanded(name);
    this.#stream?.send(encodeRequest({ typeUrl, subscribe: [name] }));
    return outcome;
  }

  /** Changes which names of a `named` type are asked for; also before the stream is there. Known names mean nothing. */
  changeNames(typeUrl: string, add: readonly string[], remove: readonly string[]): void {
    const names = this.#named.get(typeUrl);
    if (names === undefined) return;
    const subscribe = add.filter((name) => !names.has(name));
    const unsubscribe = remove.filter((name) => names.delete(name));
    for (const name of subscribe) names.add(name);
    for (const name of unsubscribe) this.#held.get(typeUrl)?.removed(name);
    if (subscribe.length + unsubscribe.length === 0) return;
    this.#stream?.send(encodeRequest({ typeUrl, subscribe, unsubscribe }));
  }

  async #connectOnce(signal: AbortSignal): Promise<{ readonly termination: Termination; readonly messages: number }> {
    let messages = 0;
    let stream: DeltaStream;
    try {
      stream = await this.#options.connect(signal);
    } catch (cause) {
      return { termination: { kind: 'connection_error', message: toAmbitError(cause).message }, messages };
    }
    const onAbort = (): void => stream.close();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) stream.close();
    try {
      for (const type of this.#options.types) stream.send(this.#initialRequest(type));
      this.#stream = stream;
      for await (const message of stream.responses) {
        if (messages === 0) this.#options.observer.onConnected?.();
        await this.#take(stream, scanResponse(message), signal);
        messages += 1;
      }
      return { termination: stream.termination(), messages };
    } catch (cause) {
      // A response that cannot be read leaves no way to answer it: begin a new stream.
      return { termination: { kind: 'error', message: toAmbitError(cause).message }, messages };
    } finally {
      this.#stream = undefined;
      signal.removeEventListener('abort', onAbort);
      stream.close();
    }
  }

  #initialRequest({ typeUrl, mode }: DeltaTypeHandler): Uint8Array {
    const initialVersions = this.#held.get(typeUrl)?.all ?? new Map<string, string>();
    const names = [...(this.#named.get(typeUrl) ?? [])];
    // There is no word for "nothing yet"; taking and leaving `*` at once says it.
    const nothing = { subscribe: [WILDCARD], unsubscribe: [WILDCARD] };
    const wanted = mode === 'wildcard' ? {} : names.length > 0 ? { subscribe: names } : nothing;
    return encodeRequest({ node: this.#options.node, typeUrl, initialVersions, ...wanted });
  }

  async #take(stream: DeltaStream, response: ScannedResponse, signal: AbortSignal): Promise<void> {
    const { typeUrl, nonce, removed } = response;
    const { observer, types } = this.#options;
    observer.onMessage?.(typeUrl, response.resourceCount, removed.length, response.resourceBytes);
    const handler = types.find((type) => type.typeUrl === typeUrl);
    const held = this.#held.get(typeUrl);
    const rejections: Rejection[] = [];
    if (handler !== undefined && held !== undefined) {
      for (const slice of slices(response.resources(), this.#options.sliceSize)) {
        rejections.push(...this.#update(handler, held, slice));
        if (slice.length === this.#options.sliceSize) await nextTurn();
        if (signal.aborted) return;
      }
      handler.remove(removed);
      for (const name of removed) {
        held.removed(name);
        this.#demanded.settle(typeUrl, name, 'removed');
      }
      handler.settled?.();
    }
    if (rejections.length === 0) {
      stream.send(encodeRequest({ typeUrl, nonce }));
      if (this.#unsynced.delete(typeUrl) && this.#unsynced.size === 0) this.#synced.resolve();
      return;
    }
    observer.onRejected?.(typeUrl, nonce, rejections);
    stream.send(encodeRequest({ typeUrl, nonce, error: nackText(rejections) }));
  }

  #update(handler: DeltaTypeHandler, held: HeldVersions, slice: readonly RawResource[]): readonly Rejection[] {
    const complete = slice.filter((resource): resource is ReceivedResource => resource.value !== undefined);
    const rejections = [...handler.update(complete)];
    for (const { name, value } of slice) if (value === undefined) rejections.push({ name, reason: 'no payload' });
    const rejected = new Set(rejections.map(({ name }) => name));
    for (const { name, version, aliases } of slice) {
      if (rejected.has(name)) held.rejected(name);
      else held.accepted(name, version);
      for (const known of [name, ...aliases]) this.#demanded.settle(handler.typeUrl, known, 'found');
    }
    return rejections;
  }
}

/** A clean end reconnects at once, unless the server said nothing at all: then it would be a loop without a brake. */
function retryDelay(kind: TerminationKind, messages: number, backoff: Backoff): number {
  if (kind === 'complete' && messages > 0) {
    backoff.reset();
    return 0;
  }
  if (kind === 'reconnect' || messages > 0) backoff.reset();
  return backoff.nextMs();
}

function* slices(resources: Iterable<RawResource>, size: number): Generator<readonly RawResource[], void, undefined> {
  let slice: RawResource[] = [];
  for (const resource of resources) {
    slice.push(resource);
    if (slice.length === size) {
      yield slice;
      slice = [];
    }
  }
  if (slice.length > 0) yield slice;
}

function nackText(rejections: readonly Rejection[]): string {
  const text = rejections.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  return text.length <= MAX_NACK_LENGTH
    ? text
    : `${text.slice(0, MAX_NACK_LENGTH)}... (${rejections.length} resources)`;
}

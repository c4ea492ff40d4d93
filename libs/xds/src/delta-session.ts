/**
 * One stream of a delta server: requests in, encoded responses out. Knows no gRPC and no timers.
 *
 * What a stream was told is one number for each type (see {@link Subscription}); responses are made only when the reader
 * can take them, from the store of that moment, and shared with all streams that are owed the same. A slow reader
 * therefore costs the server neither names nor messages: it gets the latest state when it reads again. The few responses
 * of one round are planned together, so that their order holds across back pressure.
 * Spec: control-plane.md section 1.8.
 */
import type { ChangeLog } from './change-log.ts';
import type { NameResolver } from './name-resolver.ts';
import { planRound } from './push-round.ts';
import type { ResourceStore } from './resource-store.ts';
import type { EncodedResponse, ResponseEncoder } from './response-encoder.ts';
import type { SendLease } from './send-budget.ts';
import {
  changeSubscription,
  classifyRequest,
  isAnswerDue,
  openSubscription,
  type Subscription,
  type SubscriptionRequest,
  WILDCARD,
} from './subscription.ts';
import { XdsError } from './xds-error.ts';
import type { XdsNode } from './xds-node.ts';

/** Types one stream may ask for. */
export const MAX_TYPES = 32;

/** Where a session's responses go. */
export interface SessionSink {
  /** Takes one response; false means "no more until {@link DeltaSession.resume}". */
  write(response: EncodedResponse): boolean;
}

/** What a server may count and log about its streams. */
export interface DeltaServerObserver {
  onStreamOpened?(node: XdsNode): void;
  onStreamClosed?(node: XdsNode): void;
  onAck?(node: XdsNode, typeUrl: string, nonce: string): void;
  onNack?(node: XdsNode, typeUrl: string, nonce: string, message: string): void;
  /** A request that answers an older response: it counts for nothing. */
  onStale?(node: XdsNode, typeUrl: string): void;
  onPush?(node: XdsNode, response: EncodedResponse): void;
  /** A client that did not take its responses in time is cut. */
  onWriteTimeout?(node: XdsNode): void;
  /** A round of pushes to all streams began, this long after the first change in it, and took this long. */
  onRound?(waitedMs: number, tookMs: number): void;
}

export interface DeltaSessionOptions {
  readonly store: ResourceStore;
  /** Shared by all sessions of a store. */
  readonly encoder: ResponseEncoder;
  readonly resolver: NameResolver;
  readonly node: XdsNode;
  readonly sink: SessionSink;
  readonly observer: DeltaServerObserver;
  /** The client reads gzip; default false. */
  readonly acceptsGzip?: boolean;
  /** Whether the stream may be sent a resource of a private type; default: none. */
  readonly mayRead?: (typeUrl: string, name: string) => boolean;
  /**
   * A reader that was slow can take more, and changes wait for it: {@link DeltaSession.flush} it together with others.
   * Default: it is flushed at once.
   */
  readonly onBehind?: () => void;
}

const NOTHING: readonly EncodedResponse[] = [];
const NO_TYPES: ReadonlySet<string> = new Set();

/** A subscription with what the store remembers of its type; undefined for a type that the store does not have. */
interface Followed {
  readonly state: Subscription;
  readonly log: ChangeLog | undefined;
}

export class DeltaSession {
  readonly #options: DeltaSessionOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  /** The same in the order of pushes. */
  #followed: readonly Followed[] = [];
  /** What is planned, and how much of it was sent. */
  #round: readonly EncodedResponse[] = NOTHING;
  #sent = 0;
  #blockedBy: EncodedResponse | undefined;
  #lease: SendLease | undefined;
  #isHolding = true;

  constructor(options: DeltaSessionOptions) {
    this.#options = options;
  }

  /**
   * Takes one request; answers leave at the next {@link answer} or {@link flush}.
   * Throws `XdsError` `TOO_MANY_TYPES` or `TOO_MANY_NAMES`: the stream has to end.
   */
  receive(request: SubscriptionRequest): void {
    const { node, observer } = this.#options;
    const { typeUrl, nonce } = request;
    const state = this.#subscriptions.get(typeUrl);
    const kind = classifyRequest(request, state);
    if (kind === 'nack') observer.onNack?.(node, typeUrl, nonce, request.error ?? '');
    else if (kind === 'stale') observer.onStale?.(node, typeUrl);
    else if (kind === 'first') this.#open(request);
    else if (state !== undefined) {
      if (kind === 'ack') observer.onAck?.(node, typeUrl, nonce);
      changeSubscription(state, request, kind);
    }
  }

  /** Does the reader have to take something first? */
  get isBlocked(): boolean {
    return this.#blockedBy !== undefined;
  }

  /** Does the first answer of a type still wait for a type that is pushed before it? */
  get isHolding(): boolean {
    return this.#isHolding && this.#heldTypes().size > 0;
  }

  /** The store's generation up to which this stream was told everything; infinite before it asked for anything. */
  get generation(): number {
    let generation = Number.POSITIVE_INFINITY;
    for (const { state, log } of this.#followed) {
      if (!state.isNew && log?.hasSince(state.generation) === true) generation = Math.min(generation, state.generation);
    }
    return generation;
  }

  /** Stops waiting for types that were not asked for. */
  release(): void {
    this.#isHolding = false;
  }

  /** Sends what requests wait for; changes alone wait for {@link flush}. */
  answer(): void {
    if (this.#isAnswerDue()) this.flush();
  }

  /** Sends what is due, as far as the reader takes it. */
  flush(): void {
    while (this.#blockedBy === undefined) {
      if (this.#round.length === 0) this.#round = this.#plan();
      if (this.#round.length === 0) return;
      this.#sendRound();
    }
  }

  /** The reader takes more. */
  resume(): void {
    this.#unblock();
    this.#sendRound();
    if (this.#blockedBy !== undefined) return;
    const { onBehind } = this.#options;
    if (onBehind === undefined) this.flush();
    else if (this.generation !== Number.POSITIVE_INFINITY || this.#isAnswerDue()) onBehind();
  }

  /** The stream is gone: lets go of what was pinned for it. */
  close(): void {
    const unsent = this.#round.slice(this.#sent);
    this.#round = NOTHING;
    this.#sent = 0;
    this.#subscriptions.clear();
    this.#followed = [];
    this.#unblock();
    for (const response of unsent) this.#options.encoder.unpin(response);
  }

  /** This reader takes its time: it counts no more in what others have to wait for. */
  letOthersSend(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    lease?.[Symbol.dispose]();
  }

  #unblock(): void {
    const response = this.#blockedBy;
    this.#blockedBy = undefined;
    this.letOthersSend();
    if (response !== undefined) this.#options.encoder.unpin(response);
  }

  #open(request: SubscriptionRequest): void {
    if (this.#subscriptions.size >= MAX_TYPES) {
      throw new XdsError('TOO_MANY_TYPES', `a stream asked for more than ${MAX_TYPES} types`);
    }
    const { isPrivate = false } = this.#options.store.types.find(({ typeUrl }) => typeUrl === request.typeUrl) ?? {};
    // Leaving `*` at once is how a request says that it means only the names it has.
    const asked = isPrivate ? { ...request, unsubscribe: [...request.unsubscribe, WILDCARD] } : request;
    this.#subscriptions.set(request.typeUrl, openSubscription(asked));
    const { store } = this.#options;
    const rank = (typeUrl: string): number => {
      const index = store.types.findIndex((type) => type.typeUrl === typeUrl);
      return index === -1 ? store.types.length : index;
    };
    this.#followed = [...this.#subscriptions.values()]
      .sort((a, b) => rank(a.typeUrl) - rank(b.typeUrl))
      .map((state) => ({ state, log: store.changes(state.typeUrl) }));
  }

  #isAnswerDue(): boolean {
    for (const { state } of this.#followed) if (isAnswerDue(state)) return true;
    return false;
  }

  #plan(): readonly EncodedResponse[] {
    const { encoder } = this.#options;
    const isAsked = this.#isAnswerDue();
    if (!isAsked && !encoder.isFull) {
      const changes = this.#planChanges();
      if (changes !== undefined) return changes;
    }
    // What others still take has to go first; streams that are in step share one small response and go on.
    if (!this.#isInStep() && !encoder.hasRoom()) return [];
    const held = this.#isHolding ? this.#heldTypes() : NO_TYPES;
    const due = [...this.#subscriptions.values()].filter((state) => !held.has(state.typeUrl));
    const { acceptsGzip = false, mayRead = () => false } = this.#options;
    const round = planRound({ ...this.#options, acceptsGzip, mayRead }, due);
    for (const response of round) encoder.pin(response);
    return round;
  }

  /**
   * What nearly every stream is owed in nearly every round: what changed of types that it follows as a whole. The same as
   * `planRound` plans, without a plan. Undefined when there is more to it.
   */
  #planChanges(): readonly EncodedResponse[] | undefined {
    const { encoder, store } = this.#options;
    for (const { state, log } of this.#followed) {
      if (!state.isWildcard && log?.hasSince(state.generation) === true) return undefined;
    }
    let round: EncodedResponse[] | undefined;
    let last: EncodedResponse[] | undefined;
    for (const { state, log } of this.#followed) {
      if (log?.hasSince(state.generation) !== true) continue;
      const changes = encoder.changesSince(state.typeUrl, state.generation);
      state.generation = store.generation;
      if (changes?.updates !== undefined) (round ??= []).push(changes.updates);
      if (changes?.removals !== undefined) (last ??= []).push(changes.removals);
    }
    if (round === undefined && last === undefined) return NOTHING;
    const all = [...(round ?? []), ...(last ?? [])];
    for (const response of all) encoder.pin(response);
    return all;
  }

  #isInStep(): boolean {
    return !this.#isAnswerDue() && this.generation >= this.#options.encoder.lastRound;
  }

  /** Types asked for, not answered yet, and pushed after a type of the store that has not been asked for. */
  #heldTypes(): ReadonlySet<string> {
    const held = new Set<string>();
    let isComplete = true;
    for (const { typeUrl } of this.#options.store.types) {
      const state = this.#subscriptions.get(typeUrl);
      if (state === undefined) isComplete = false;
      else if (state.isNew && !isComplete) held.add(typeUrl);
    }
    return held;
  }

  #sendRound(): void {
    const { sink, observer, node, encoder, acceptsGzip = false } = this.#options;
    while (this.#blockedBy === undefined) {
      const response = this.#round[this.#sent];
      if (response === undefined) {
        // Responses are large: nothing of a round that was sent is kept.
        this.#round = NOTHING;
        this.#sent = 0;
        return;
      }
      this.#sent += 1;
      const state = this.#subscriptions.get(response.typeUrl);
      if (state !== undefined) state.lastNonce = response.nonce;
      if (sink.write(response)) encoder.unpin(response);
      else {
        this.#blockedBy = response;
        this.#lease = encoder.sending.take(response.bytesFor(acceptsGzip));
      }
      observer.onPush?.(node, response);
    }
  }
}

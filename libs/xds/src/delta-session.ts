/**
 * One stream of a delta server: requests in, encoded responses out. Knows no gRPC and no timers.
 *
 * Everything a stream is owed is kept as names (see {@link Subscription}); responses are made only when the reader can
 * take them, from the store of that moment. A slow reader therefore costs the server a set of names, never a queue of
 * messages. The at most few responses of one round are planned together, so that their order holds across back pressure.
 * Spec: control-plane.md section 1.8.
 */
import { encodeResponse } from './delta-response.ts';
import type { NameResolver } from './name-resolver.ts';
import { planRound, type PlannedResponse } from './push-round.ts';
import type { ResourceStore, StoreChange } from './resource-store.ts';
import {
  changeSubscription,
  classifyRequest,
  openSubscription,
  type Subscription,
  type SubscriptionRequest,
} from './subscription.ts';
import { XdsError } from './xds-error.ts';
import type { XdsNode } from './xds-node.ts';

/** Types one stream may ask for. */
export const MAX_TYPES = 32;

/** Where a session's responses go. */
export interface SessionSink {
  /** Takes one encoded response; false means "no more until {@link DeltaSession.resume}". */
  write(message: Uint8Array): boolean;
}

/** What a server may count and log about its streams. */
export interface DeltaServerObserver {
  onStreamOpened?(node: XdsNode): void;
  onStreamClosed?(node: XdsNode): void;
  onNack?(node: XdsNode, typeUrl: string, nonce: string, message: string): void;
  onPush?(node: XdsNode, typeUrl: string, resources: number, removed: number, bytes: number): void;
}

export interface DeltaSessionOptions {
  readonly store: ResourceStore;
  readonly resolver: NameResolver;
  readonly node: XdsNode;
  readonly sink: SessionSink;
  readonly observer: DeltaServerObserver;
  /** Makes the nonces of this stream unlike those of any other. */
  readonly streamId: string;
  /** Sent as `system_version_info`. */
  readonly systemVersion: () => string;
}

export class DeltaSession {
  readonly #options: DeltaSessionOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  #round: PlannedResponse[] = [];
  #isBlocked = false;
  #isHolding = true;
  #responses = 0;

  constructor(options: DeltaSessionOptions) {
    this.#options = options;
  }

  /**
   * Takes one request; answers leave at the next {@link flush}.
   * Throws `XdsError` `TOO_MANY_TYPES` or `TOO_MANY_NAMES`: the stream has to end.
   */
  receive(request: SubscriptionRequest): void {
    const { node, observer } = this.#options;
    const state = this.#subscriptions.get(request.typeUrl);
    const kind = classifyRequest(request, state);
    if (kind === 'nack') observer.onNack?.(node, request.typeUrl, request.nonce, request.error ?? '');
    else if (kind === 'first') this.#open(request);
    else if (state !== undefined && kind !== 'stale') changeSubscription(state, request, kind);
  }

  /** Notes which names changed; nothing is sent before {@link flush}. */
  storeChanged(change: StoreChange): void {
    for (const [typeUrl, names] of change) {
      const state = this.#subscriptions.get(typeUrl);
      // A first answer still due is made from the whole store, so the names need no remembering.
      if (state === undefined || (state.isNew && state.isWildcard)) continue;
      for (const name of names) state.dirty.add(name);
    }
  }

  /** Does the first answer of a type still wait for a type that is pushed before it? */
  get isHolding(): boolean {
    return this.#isHolding && this.#heldTypes().size > 0;
  }

  /** Stops waiting for types that were not asked for. */
  release(): void {
    this.#isHolding = false;
  }

  /** Sends what is due, as far as the reader takes it. */
  flush(): void {
    while (!this.#isBlocked) {
      if (this.#round.length === 0) this.#round = [...this.#plan()];
      const next = this.#round.shift();
      if (next === undefined) return;
      this.#send(next);
    }
  }

  /** The reader takes more. */
  resume(): void {
    this.#isBlocked = false;
    this.flush();
  }

  #open(request: SubscriptionRequest): void {
    if (this.#subscriptions.size >= MAX_TYPES) {
      throw new XdsError('TOO_MANY_TYPES', `a stream asked for more than ${MAX_TYPES} types`);
    }
    this.#subscriptions.set(request.typeUrl, openSubscription(request));
  }

  #plan(): readonly PlannedResponse[] {
    const held = this.#isHolding ? this.#heldTypes() : new Set<string>();
    const due = [...this.#subscriptions.values()].filter((state) => !held.has(state.typeUrl));
    return planRound(this.#options, due);
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

  #send(planned: PlannedResponse): void {
    const { streamId, systemVersion, sink, observer, node } = this.#options;
    this.#responses += 1;
    const nonce = `${streamId}-${this.#responses}`;
    const state = this.#subscriptions.get(planned.typeUrl);
    if (state !== undefined) state.lastNonce = nonce;
    const message = encodeResponse({ ...planned, nonce, systemVersionInfo: systemVersion() });
    this.#isBlocked = !sink.write(message);
    observer.onPush?.(node, planned.typeUrl, planned.encodedResources.length, planned.removed.length, message.length);
  }
}

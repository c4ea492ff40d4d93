/**
 * What one stream asked of one type, and the rules that turn a request into a change of it. Pure: no stream, no store.
 * Spec: control-plane.md section 1.8.
 */
import type { VersionList } from './encoded-versions.ts';
import { XdsError } from './xds-error.ts';

export const WILDCARD = '*';

/** Names one stream may ask for, and the longest of them: a bound on what a client can make the server keep. */
export const MAX_NAMES = 200_000;
export const MAX_NAME_LENGTH = 4_096;

/** A `DeltaDiscoveryRequest` without its node. */
export interface SubscriptionRequest {
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: VersionList;
  readonly nonce: string;
  /** Message of `error_detail`; undefined when the request has none. */
  readonly error: string | undefined;
}

/**
 * What the server does with a request.
 * - `nack`: record the error, answer nothing, send nothing again because of it.
 * - `first`: the stream's first word on this type, always answered, whatever its nonce.
 * - `stale`: it answers an older response; nothing in it counts.
 * - `spontaneous`: no nonce; answered when it changes the subscription.
 * - `ack`: answered only for names that are new.
 */
export type RequestKind = 'nack' | 'first' | 'stale' | 'spontaneous' | 'ack';

export function classifyRequest(request: SubscriptionRequest, state: Subscription | undefined): RequestKind {
  if (request.error !== undefined) return 'nack';
  if (state === undefined) return 'first';
  if (request.nonce === '') return 'spontaneous';
  return request.nonce === state.lastNonce ? 'ack' : 'stale';
}

/** What a stream is owed at its next turn. A generation instead of names, so that a slow reader costs nothing. */
export interface Subscription {
  readonly typeUrl: string;
  readonly isWildcard: boolean;
  /** Names asked for: all that an on-demand stream has, extras on a wildcard stream. */
  readonly names: Set<string>;
  /** What a wildcard stream said it holds, until its first answer: from then on its own list is the truth. */
  initial: VersionList;
  /** Name -> version the client holds, for on-demand streams. */
  held: Map<string, string>;
  /** The store's generation up to which the stream was told everything. */
  generation: number;
  /** Names asked for since the last turn. */
  readonly asked: Set<string>;
  /** Names were left since the last turn: what only they brought is forgotten, not reported as removed. */
  hasLeft: boolean;
  /** An answer is due even if there is nothing to say. */
  mustAnswer: boolean;
  /** The first answer is still due. */
  isNew: boolean;
  lastNonce: string;
}

export const NO_VERSIONS: VersionList = new Map();

/** State after a stream's first request for a type. Throws `XdsError` `TOO_MANY_NAMES`. */
export function openSubscription(request: SubscriptionRequest): Subscription {
  const isWildcard =
    (request.subscribe.length === 0 || request.subscribe.includes(WILDCARD)) &&
    // Subscribing to and leaving `*` at once is how a client says "nothing yet, explicitly".
    !request.unsubscribe.includes(WILDCARD);
  const names = new Set(request.subscribe);
  if (!isWildcard) for (const [name] of request.initialVersions) names.add(name);
  for (const name of request.unsubscribe) names.delete(name);
  names.delete(WILDCARD);
  checkNames(names, names.size);
  return {
    typeUrl: request.typeUrl,
    isWildcard,
    names,
    initial: isWildcard ? request.initialVersions : NO_VERSIONS,
    held: new Map(isWildcard ? [] : request.initialVersions),
    generation: 0,
    asked: new Set(names),
    hasLeft: false,
    mustAnswer: true,
    isNew: true,
    lastNonce: '',
  };
}

/** Does a request wait for an answer? */
export function isAnswerDue(state: Subscription): boolean {
  return state.mustAnswer || state.hasLeft || state.asked.size > 0;
}

/**
 * Applies a later request's lists. `spontaneous` requests of an on-demand stream that change anything get an answer,
 * if need be an empty one. Leaving names never lists others as removed (istiod does; its clients then drop live state).
 */
export function changeSubscription(
  state: Subscription,
  request: SubscriptionRequest,
  kind: 'ack' | 'spontaneous',
): void {
  if (request.subscribe.length + request.unsubscribe.length === 0) return;
  let changed = false;
  for (const name of request.unsubscribe) {
    if (state.names.delete(name)) {
      changed = true;
      state.hasLeft = true;
    }
    state.asked.delete(name);
  }
  const added = request.subscribe.filter((name) => name !== WILDCARD && !state.names.has(name));
  checkNames(added, state.names.size + added.length);
  for (const name of added) {
    state.names.add(name);
    state.asked.add(name);
    changed = true;
  }
  if (changed && kind === 'spontaneous' && !state.isWildcard) state.mustAnswer = true;
}

function checkNames(names: Iterable<string>, total: number): void {
  if (total > MAX_NAMES) throw new XdsError('TOO_MANY_NAMES', `a stream asked for ${total} names of one type`);
  for (const name of names) {
    if (name.length > MAX_NAME_LENGTH) throw new XdsError('TOO_MANY_NAMES', 'a stream asked for an over-long name');
  }
}

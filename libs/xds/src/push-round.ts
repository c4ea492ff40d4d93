/**
 * Plans what one stream is sent in one round: from the store of one moment and the stream's subscriptions.
 * Order: the store's type order, with `last` removals behind everything else.
 */
import { encodeResource, type WritableResource } from './delta-response.ts';
import type { NameResolver } from './name-resolver.ts';
import type { ResourceStore, ResourceTypeSpec, StoredResource } from './resource-store.ts';
import type { EncodedResponse, ResponseEncoder } from './response-encoder.ts';
import { NO_VERSIONS, type Subscription } from './subscription.ts';
import type { XdsNode } from './xds-node.ts';

export interface RoundContext {
  readonly store: ResourceStore;
  readonly encoder: ResponseEncoder;
  readonly resolver: NameResolver;
  readonly node: XdsNode;
  /** The client reads gzip. */
  readonly acceptsGzip: boolean;
  /** Whether the stream may be sent a resource of a private type. */
  readonly mayRead: (typeUrl: string, name: string) => boolean;
}

/** Responses of one type: `last` ones go out behind those of all other types. */
interface Owed {
  readonly now: readonly EncodedResponse[];
  readonly last: readonly EncodedResponse[];
}

const NOTHING: Owed = { now: [], last: [] };

/** The responses due now, in order. The subscriptions are brought up to date: planning twice gives nothing new. */
export function planRound(context: RoundContext, subscriptions: Iterable<Subscription>): EncodedResponse[] {
  const round: EncodedResponse[] = [];
  const last: EncodedResponse[] = [];
  for (const { subscription, spec } of inPushOrder(context.store, subscriptions)) {
    const owed = subscription.isWildcard
      ? owedToWildcard(context, subscription, spec)
      : owedOnDemand(context, subscription, spec);
    // An answer that is not ready holds up what comes behind it; the order is worth more than the moment.
    if (owed === undefined) break;
    settle(subscription);
    round.push(...owed.now);
    last.push(...owed.last);
  }
  round.push(...last);
  return round;
}

function inPushOrder(
  store: ResourceStore,
  subscriptions: Iterable<Subscription>,
): readonly { readonly subscription: Subscription; readonly spec: ResourceTypeSpec | undefined }[] {
  const rank = (typeUrl: string): number => {
    const index = store.types.findIndex((type) => type.typeUrl === typeUrl);
    return index === -1 ? store.types.length : index;
  };
  return [...subscriptions]
    .sort((a, b) => rank(a.typeUrl) - rank(b.typeUrl))
    .map((subscription) => ({ subscription, spec: store.types[rank(subscription.typeUrl)] }));
}

function settle(subscription: Subscription): void {
  subscription.asked.clear();
  subscription.hasLeft = false;
  subscription.mustAnswer = false;
  subscription.isNew = false;
  subscription.initial = NO_VERSIONS;
}

/** Does the client hold exactly this already? A resource without a version is never known to be held. */
function isHeld(version: string | undefined, resource: StoredResource): boolean {
  return resource.version !== '' && version === resource.version;
}

/** Undefined while the answer is being compressed, or waits for room. */
function owedToWildcard(
  context: RoundContext,
  subscription: Subscription,
  spec: ResourceTypeSpec | undefined,
): Owed | undefined {
  const { store, encoder } = context;
  const { typeUrl, initial, asked } = subscription;
  const now: EncodedResponse[] = [];
  if (subscription.isNew && initial.size === 0 && asked.size === 0) {
    const snapshot = encoder.snapshot(typeUrl);
    if (context.acceptsGzip && !encoder.isCompressed(snapshot.response)) return undefined;
    if (!encoder.sending.hasRoom(snapshot.response.bytesFor(context.acceptsGzip))) return undefined;
    now.push(snapshot.response);
    subscription.generation = snapshot.generation;
  } else if (subscription.isNew) {
    const { resources, removed } = differenceTo(store, subscription);
    const splits = spec?.removals === 'last' && removed.length > 0;
    subscription.generation = store.generation;
    const answer = encoder.single(typeUrl, resources, splits ? [] : removed);
    return { now: [answer], last: splits ? [encoder.single(typeUrl, [], removed)] : [] };
  } else if (asked.size > 0) {
    now.push(extras(context, subscription));
  }
  const changes = encoder.changesSince(typeUrl, subscription.generation);
  subscription.generation = store.generation;
  if (changes === undefined) return now.length === 0 ? NOTHING : { now, last: [] };
  if (changes.updates !== undefined) now.push(changes.updates);
  return { now, last: changes.removals === undefined ? [] : [changes.removals] };
}

/** What a reconnecting client lacks, and what it holds that is gone. */
function differenceTo(
  store: ResourceStore,
  { typeUrl, initial, asked }: Subscription,
): { readonly resources: readonly (Uint8Array | WritableResource)[]; readonly removed: readonly string[] } {
  const removed = new Set<string>();
  let matching = 0;
  for (const [name, version] of initial) {
    const resource = store.get(typeUrl, name);
    if (resource === undefined) removed.add(name);
    else if (isHeld(version, resource)) matching += 1;
  }
  for (const name of asked) if (store.get(typeUrl, name) === undefined) removed.add(name);
  const resources: (Uint8Array | WritableResource)[] = [];
  // The usual reconnect: nothing changed meanwhile.
  if (matching === store.all(typeUrl).size) return { resources, removed: [...removed] };
  const held = new Set<StoredResource>();
  for (const [name, version] of initial) {
    const resource = store.get(typeUrl, name);
    if (resource !== undefined && isHeld(version, resource)) held.add(resource);
  }
  for (const resource of store.all(typeUrl).values()) if (!held.has(resource)) resources.push(resource);
  return { resources, removed: [...removed] };
}

/** Names that a wildcard stream asks for besides: the ones that exist it has, or is about to get, and wants again. */
function extras({ store, encoder }: RoundContext, { typeUrl, asked }: Subscription): EncodedResponse {
  const resources: (Uint8Array | WritableResource)[] = [];
  const removed: string[] = [];
  for (const name of asked) {
    const resource = store.get(typeUrl, name);
    if (resource === undefined) removed.push(name);
    else resources.push(resource);
  }
  return encoder.single(typeUrl, resources, removed);
}

interface Wanted {
  readonly resource: StoredResource;
  readonly aliases: Set<string>;
  isAsked: boolean;
}

const NO_NAMES: ReadonlySet<string> = new Set();

function owedOnDemand(context: RoundContext, subscription: Subscription, spec: ResourceTypeSpec | undefined): Owed {
  const { store, encoder } = context;
  const { isNew, asked, hasLeft, mustAnswer, typeUrl } = subscription;
  const log = store.changes(typeUrl);
  const dirty = log?.hasSince(subscription.generation) === true ? log.since(subscription.generation).names : NO_NAMES;
  subscription.generation = store.generation;
  const isDue = isNew || hasLeft || dirty.size > 0 || asked.size > 0;
  const { resources, removed } = isDue
    ? onDemandDifference(context, subscription, dirty)
    : { resources: [], removed: [] };
  const splits = spec?.removals === 'last' && removed.length > 0;
  const last = splits ? [encoder.single(typeUrl, [], removed)] : [];
  const now = splits ? [] : removed;
  if (!mustAnswer && resources.length + now.length === 0) return { now: [], last };
  return { now: [encoder.single(typeUrl, resources, now)], last };
}

function onDemandDifference(
  context: RoundContext,
  subscription: Subscription,
  dirty: ReadonlySet<string>,
): { readonly resources: readonly (Uint8Array | WritableResource)[]; readonly removed: readonly string[] } {
  const { isNew, asked, hasLeft, typeUrl, held: before } = subscription;
  const { wanted, missing } = wantedOnDemand(context, subscription);
  const resources: (Uint8Array | WritableResource)[] = [];
  const aliases = new Set<string>();
  for (const entry of wanted.values()) {
    for (const alias of entry.aliases) aliases.add(alias);
    if (!isOwed(entry, subscription, dirty)) continue;
    const { resource } = entry;
    resources.push(entry.aliases.size === 0 ? resource : encodeResource(typeUrl, resource, [...entry.aliases]));
  }
  const removed = new Set<string>();
  // A missing name is reported once, when it is asked for; a held one when it goes.
  for (const name of missing) if (isNew || asked.has(name)) removed.add(name);
  for (const name of before.keys()) {
    const isForgotten = hasLeft && context.store.get(typeUrl, name) !== undefined;
    if (!wanted.has(name) && !aliases.has(name) && !isForgotten) removed.add(name);
  }
  subscription.held = new Map([...wanted.values()].map(({ resource }) => [resource.name, resource.version]));
  return { resources, removed: [...removed] };
}

function isOwed({ resource, isAsked }: Wanted, { isNew, held }: Subscription, dirty: ReadonlySet<string>): boolean {
  const { name, version } = resource;
  if (isNew) return !isHeld(held.get(name), resource);
  // A name asked for now is answered even when its resource is held: the client waits for the name.
  if (isAsked || !held.has(name)) return true;
  return version === '' ? dirty.has(name) : held.get(name) !== version;
}

function wantedOnDemand(
  { store, resolver, node, mayRead }: RoundContext,
  subscription: Subscription,
): { readonly wanted: ReadonlyMap<string, Wanted>; readonly missing: readonly string[] } {
  const wanted = new Map<string, Wanted>();
  const missing: string[] = [];
  const { typeUrl } = subscription;
  const isPrivate = store.types.find((type) => type.typeUrl === typeUrl)?.isPrivate === true;
  const want = (name: string, aliases: readonly string[], isAsked: boolean): boolean => {
    const resource = store.get(typeUrl, name);
    // What may not be read does not exist.
    if (resource === undefined || (isPrivate && !mayRead(typeUrl, name))) return false;
    const entry = wanted.get(name) ?? { resource, aliases: new Set<string>(), isAsked: false };
    for (const alias of aliases) entry.aliases.add(alias);
    entry.isAsked ||= isAsked;
    wanted.set(name, entry);
    return true;
  };
  for (const { name, aliases } of resolver.implied(typeUrl, node)) want(name, aliases, false);
  for (const name of subscription.names) {
    let found = false;
    for (const resolved of resolver.resolve(typeUrl, name)) {
      if (want(resolved.name, resolved.aliases, subscription.asked.has(name))) found = true;
    }
    if (!found) missing.push(name);
  }
  return { wanted, missing };
}

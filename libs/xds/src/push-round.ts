/**
 * Plans what one stream is sent in one round: pure, from the store of one moment and the stream's subscriptions.
 * Order: the store's type order, with `last` removals behind everything else.
 */
import { encodeResource } from './delta-response.ts';
import type { NameResolver } from './name-resolver.ts';
import type { ResourceStore, ResourceTypeSpec, StoredResource } from './resource-store.ts';
import type { Subscription } from './subscription.ts';
import type { XdsNode } from './xds-node.ts';

/** One response, still without nonce. */
export interface PlannedResponse {
  readonly typeUrl: string;
  readonly encodedResources: readonly Uint8Array[];
  readonly removed: readonly string[];
}

export interface RoundContext {
  readonly store: ResourceStore;
  readonly resolver: NameResolver;
  readonly node: XdsNode;
}

interface Owed {
  readonly resources: readonly Uint8Array[];
  readonly removed: readonly string[];
}

/** The responses due now, in order. The subscriptions are brought up to date: planning twice gives nothing new. */
export function planRound(context: RoundContext, subscriptions: Iterable<Subscription>): readonly PlannedResponse[] {
  const round: PlannedResponse[] = [];
  const last: PlannedResponse[] = [];
  for (const { subscription, spec } of inPushOrder(context.store, subscriptions)) {
    const { typeUrl } = subscription;
    const isDue = subscription.mustAnswer;
    const { resources, removed } = subscription.isWildcard
      ? owedToWildcard(context, subscription)
      : owedOnDemand(context, subscription);
    settle(subscription);
    const splits = spec?.removals === 'last' && removed.length > 0;
    if (splits) last.push({ typeUrl, encodedResources: [], removed });
    const now = splits ? [] : removed;
    if (isDue || resources.length > 0 || now.length > 0) {
      round.push({ typeUrl, encodedResources: resources, removed: now });
    }
  }
  return [...round, ...last];
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
  subscription.dirty.clear();
  subscription.asked.clear();
  subscription.hasLeft = false;
  subscription.mustAnswer = false;
  subscription.isNew = false;
}

/** Does the client hold exactly this already? A resource without a version is never known to be held. */
function isHeld(held: ReadonlyMap<string, string>, resource: StoredResource): boolean {
  return resource.version !== '' && held.get(resource.name) === resource.version;
}

function owedToWildcard({ store }: RoundContext, subscription: Subscription): Owed {
  const resources: Uint8Array[] = [];
  const removed: string[] = [];
  const { typeUrl, held } = subscription;
  if (subscription.isNew) {
    for (const resource of store.all(typeUrl).values()) {
      if (!isHeld(held, resource)) resources.push(resource.encoded);
    }
    for (const name of held.keys()) if (store.get(typeUrl, name) === undefined) removed.push(name);
    for (const name of subscription.asked) {
      if (!held.has(name) && store.get(typeUrl, name) === undefined) removed.push(name);
    }
    subscription.held = new Map();
    return { resources, removed };
  }
  for (const name of new Set([...subscription.dirty, ...subscription.asked])) {
    const resource = store.get(typeUrl, name);
    if (resource === undefined) removed.push(name);
    else resources.push(resource.encoded);
  }
  return { resources, removed };
}

interface Wanted {
  readonly resource: StoredResource;
  readonly aliases: Set<string>;
  isAsked: boolean;
}

function owedOnDemand(context: RoundContext, subscription: Subscription): Owed {
  const { isNew, dirty, asked, hasLeft, typeUrl, held: before } = subscription;
  if (!isNew && !hasLeft && dirty.size === 0 && asked.size === 0) return { resources: [], removed: [] };
  const { wanted, missing } = wantedOnDemand(context, subscription);
  const resources: Uint8Array[] = [];
  const aliases = new Set<string>();
  for (const entry of wanted.values()) {
    for (const alias of entry.aliases) aliases.add(alias);
    if (!isOwed(entry, subscription)) continue;
    const { resource } = entry;
    resources.push(entry.aliases.size === 0 ? resource.encoded : encodeResource(typeUrl, resource, [...entry.aliases]));
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

function isOwed({ resource, isAsked }: Wanted, { isNew, dirty, held }: Subscription): boolean {
  const { name, version } = resource;
  if (isNew) return !isHeld(held, resource);
  // A name asked for now is answered even when its resource is held: the client waits for the name.
  if (isAsked || !held.has(name)) return true;
  return version === '' ? dirty.has(name) : held.get(name) !== version;
}

function wantedOnDemand(
  { store, resolver, node }: RoundContext,
  subscription: Subscription,
): { readonly wanted: ReadonlyMap<string, Wanted>; readonly missing: readonly string[] } {
  const wanted = new Map<string, Wanted>();
  const missing: string[] = [];
  const { typeUrl } = subscription;
  const want = (name: string, aliases: readonly string[], isAsked: boolean): boolean => {
    const resource = store.get(typeUrl, name);
    if (resource === undefined) return false;
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

import type { Collection } from '@ambit/collections';
import type { Gateway, ListenerSet, Namespace } from '@ambit/kube';
import { gatewayOfSet, judgeSets, ownedListeners } from '../l7/listener-owner.ts';
import type { ListenerObject } from './gateway-object.ts';

/** What the Service of a gateway needs ports for beyond its own listeners: those of the ListenerSets that it lets. */
export function listenersOfSets(
  gateway: Gateway,
  sources: { readonly ListenerSet: Collection<ListenerSet>; readonly Namespace: Collection<Namespace> },
): readonly ListenerObject[] {
  const key = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  const sets = [...sources.ListenerSet.values()].filter((set) => gatewayOfSet(set) === key);
  if (sets.length === 0) return [];
  const judged = judgeSets(gateway, sets, (name) => sources.Namespace.get(name)?.metadata.labels ?? {});
  return ownedListeners(gateway, judged)
    .filter(({ owner }) => owner.kind === 'ListenerSet')
    .map(({ listener: { name, port, protocol } }) => ({ name, port, protocol }));
}

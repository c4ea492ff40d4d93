/** Who has a listener, and which ListenerSets may add listeners to a Gateway. Pure. Spec: l7.md section 1.3. */
import {
  type AllowedNamespaces,
  type Gateway,
  gatewayGroup,
  type GatewayListener,
  type Labels,
  type ListenerSet,
  matchesSelector,
} from '@ambit/kube';
import { compareAge } from '../derive/age-order.ts';

/** The object in whose spec a listener is written. */
export interface ListenerOwner {
  readonly kind: 'Gateway' | 'ListenerSet';
  readonly namespace: string;
  readonly name: string;
}

/** A listener with its owner. */
export interface OwnedListener {
  readonly owner: ListenerOwner;
  readonly listener: GatewayListener;
}

/** A ListenerSet that names a Gateway, and whether that lets it. */
export interface JudgedSet {
  readonly set: ListenerSet;
  readonly isAllowed: boolean;
}

/** Key of the Gateway that a set names; undefined for a parent of another kind. */
export function gatewayOfSet({ spec: { parent }, metadata }: ListenerSet): string | undefined {
  const isGateway = parent.group === gatewayGroup && parent.kind === 'Gateway';
  return isGateway ? `${parent.namespace ?? metadata.namespace}/${parent.name}` : undefined;
}

/** Oldest first: it is the order in which they are served. */
export function judgeSets(
  gateway: Gateway,
  sets: readonly ListenerSet[],
  labelsOf: (namespace: string) => Labels,
): readonly JudgedSet[] {
  const { allowedListeners } = gateway.spec;
  return sets
    .toSorted((a, b) => compareAge(a.metadata, b.metadata))
    .map((set) => ({
      set,
      isAllowed:
        allowedListeners !== undefined &&
        allowsNamespace(allowedListeners, gateway.metadata.namespace, set.metadata.namespace, labelsOf),
    }));
}

/** Listeners in order of precedence: the Gateway's own, then those of the sets it lets. */
export function ownedListeners(gateway: Gateway, sets: readonly JudgedSet[]): readonly OwnedListener[] {
  const holders = [gateway, ...sets.filter(({ isAllowed }) => isAllowed).map(({ set }) => set)];
  return holders.flatMap(({ kind, metadata: { namespace, name }, spec }) => {
    const owner: ListenerOwner = { kind, namespace, name };
    return spec.listeners.map((listener) => ({ owner, listener }));
  });
}

/** Whether something of a namespace is let in. */
export function allowsNamespace(
  { from, selector }: AllowedNamespaces,
  own: string,
  namespace: string,
  labelsOf: (namespace: string) => Labels,
): boolean {
  switch (from) {
    case 'All':
      return true;
    case 'Same':
      return namespace === own;
    case 'Selector':
      return selector !== undefined && matchesSelector(selector, labelsOf(namespace));
    case 'None':
      return false;
  }
}

import { gatewayGroup, type ParentRef } from '@ambit/kube';

/** What a parent reference names, with defaults filled in. */
export type RouteParent =
  | { readonly kind: 'gateway'; readonly key: string }
  | { readonly kind: 'listener-set'; readonly key: string }
  | { readonly kind: 'service'; readonly source: 'Service' | 'ServiceEntry'; readonly key: string }
  | { readonly kind: 'other' };

/** Spec: l7.md section 1.4. `namespace` is the route's. */
export function parentOf(ref: ParentRef, namespace: string): RouteParent {
  const key = `${ref.namespace ?? namespace}/${ref.name}`;
  const group = ref.group ?? gatewayGroup;
  const kind = ref.kind ?? 'Gateway';
  if (group === gatewayGroup && kind === 'Gateway') return { kind: 'gateway', key };
  if (group === gatewayGroup && kind === 'ListenerSet') return { kind: 'listener-set', key };
  if ((group === '' || group === 'core') && kind === 'Service') return { kind: 'service', source: 'Service', key };
  if (group === 'networking.istio.io' && kind === 'ServiceEntry') {
    return { kind: 'service', source: 'ServiceEntry', key };
  }
  return { kind: 'other' };
}

/** Index value of a parent that is a service. */
export function serviceParentKey(source: 'Service' | 'ServiceEntry', key: string): string {
  return `${source}/${key}`;
}

/** Values of an index of routes by the services that are their parents. */
export function serviceParents(refs: readonly ParentRef[], namespace: string): readonly string[] {
  const keys = refs.flatMap((ref) => {
    const parent = parentOf(ref, namespace);
    return parent.kind === 'service' ? [serviceParentKey(parent.source, parent.key)] : [];
  });
  return [...new Set(keys)];
}

/** Index value of a parent that is a ListenerSet; that of a Gateway is its key. */
export function listenerSetParentKey(key: string): string {
  return `ListenerSet ${key}`;
}

/** Values of an index of routes by the Gateways and ListenerSets that are their parents. */
export function listenerParents(refs: readonly ParentRef[], namespace: string): readonly string[] {
  const keys = refs.flatMap((ref) => {
    const parent = parentOf(ref, namespace);
    if (parent.kind === 'listener-set') return [listenerSetParentKey(parent.key)];
    return parent.kind === 'gateway' ? [parent.key] : [];
  });
  return [...new Set(keys)];
}

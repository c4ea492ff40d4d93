/** Which listeners of a gateway take a route, and for which host names. Pure. Spec: l7.md sections 1.2 and 1.4. */
import type { GatewayListener, Labels, ParentRef } from '@ambit/kube';
import { commonHost } from './host-names.ts';
import { allowsNamespace } from './listener-owner.ts';
import type { PlannedListener } from './listener-plan.ts';
import type { RouteParent } from './route-parents.ts';
import type { AnyRoute, ParentVerdict } from './route-status.ts';

/** A listener that takes the route. */
export interface Attachment {
  readonly listener: PlannedListener;
  /** What the route and the listener have in common; an empty name stands for all. */
  readonly hostnames: readonly string[];
}

export interface AttachmentResult {
  readonly verdict: ParentVerdict;
  readonly attachments: readonly Attachment[];
}

const ownerKinds = { gateway: 'Gateway', 'listener-set': 'ListenerSet' } as const;

type Refusal = Extract<ParentVerdict, { kind: 'refused' }>;

/** The most telling reason first. */
const telling: readonly string[] = ['NotAllowedByListeners', 'NoMatchingListenerHostname', 'NoMatchingParent'];

/** `parent` is what `ref` names: a Gateway or a ListenerSet, whose own listeners alone are looked at. */
export function attachRoute(
  route: AnyRoute,
  ref: ParentRef,
  parent: RouteParent & { readonly kind: 'gateway' | 'listener-set' },
  listeners: readonly PlannedListener[],
  labelsOf: (namespace: string) => Labels,
): AttachmentResult {
  const named = listeners.filter(
    ({ owner, listener }) =>
      owner.kind === ownerKinds[parent.kind] &&
      `${owner.namespace}/${owner.name}` === parent.key &&
      (ref.sectionName === undefined || ref.sectionName === listener.name) &&
      (ref.port === undefined || ref.port === listener.port),
  );
  const attachments: Attachment[] = [];
  const refusals: Refusal[] = [];
  for (const planned of named) {
    const outcome = attach(route, planned, labelsOf);
    if ('kind' in outcome) refusals.push(outcome);
    else attachments.push(outcome);
  }
  if (attachments.length > 0) return { verdict: { kind: 'accepted', extra: [] }, attachments };
  const [verdict] = refusals.toSorted((a, b) => telling.indexOf(a.reason) - telling.indexOf(b.reason));
  const nobody = refuse(
    'NoMatchingParent',
    `${ownerKinds[parent.kind]} ${parent.key} has no listener of that name and port`,
  );
  return { verdict: verdict ?? nobody, attachments };
}

function attach(
  route: AnyRoute,
  planned: PlannedListener,
  labelsOf: (namespace: string) => Labels,
): Attachment | Refusal {
  const { owner, listener, kinds } = planned;
  if (!kinds.includes(route.kind)) {
    return refuse('NotAllowedByListeners', `listener ${listener.name} takes no ${route.kind}`);
  }
  const hostnames = hostnamesFor(route, listener);
  if (hostnames.length === 0) {
    return refuse('NoMatchingListenerHostname', `no host name of the route is one of listener ${listener.name}`);
  }
  const allowed = listener.allowedNamespaces ?? { from: 'Same', selector: undefined };
  if (!allowsNamespace(allowed, owner.namespace, route.metadata.namespace, labelsOf)) {
    const message = `listener ${listener.name} does not admit routes of namespace ${route.metadata.namespace}`;
    return refuse('NotAllowedByListeners', message);
  }
  return { listener: planned, hostnames };
}

function hostnamesFor({ kind, spec }: AnyRoute, listener: GatewayListener): readonly string[] {
  if (kind === 'TCPRoute') return [''];
  const own = (listener.hostname ?? '').toLowerCase();
  if (spec.hostnames.length === 0) return [own];
  const common = spec.hostnames.flatMap((hostname) => commonHost(own, hostname.toLowerCase()) ?? []);
  return [...new Set(common)];
}

function refuse(reason: string, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** Which listeners of a gateway take a route, and for which host names. Pure. Spec: l7.md sections 1.2 and 1.4. */
import { type Gateway, type GatewayListener, type Labels, matchesSelector, type ParentRef } from '@ambit/kube';
import { commonHost } from './host-names.ts';
import type { PlannedListener } from './listener-plan.ts';
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

type Refusal = Extract<ParentVerdict, { kind: 'refused' }>;

/** The most telling reason first. */
const telling: readonly string[] = ['NotAllowedByListeners', 'NoMatchingListenerHostname', 'NoMatchingParent'];

export function attachRoute(
  route: AnyRoute,
  ref: ParentRef,
  gateway: Gateway,
  listeners: readonly PlannedListener[],
  labelsOf: (namespace: string) => Labels,
): AttachmentResult {
  const named = listeners.filter(
    ({ listener }) =>
      (ref.sectionName === undefined || ref.sectionName === listener.name) &&
      (ref.port === undefined || ref.port === listener.port),
  );
  const attachments: Attachment[] = [];
  const refusals: Refusal[] = [];
  for (const planned of named) {
    const outcome = attach(route, planned, gateway, labelsOf);
    if ('kind' in outcome) refusals.push(outcome);
    else attachments.push(outcome);
  }
  if (attachments.length > 0) return { verdict: { kind: 'accepted', extra: [] }, attachments };
  const [verdict] = refusals.toSorted((a, b) => telling.indexOf(a.reason) - telling.indexOf(b.reason));
  const nobody = refuse('NoMatchingParent', `Gateway ${gateway.metadata.name} has no listener of that name and port`);
  return { verdict: verdict ?? nobody, attachments };
}

function attach(
  route: AnyRoute,
  planned: PlannedListener,
  gateway: Gateway,
  labelsOf: (namespace: string) => Labels,
): Attachment | Refusal {
  const { listener, kinds } = planned;
  if (!kinds.includes(route.kind)) {
    return refuse('NotAllowedByListeners', `listener ${listener.name} takes no ${route.kind}`);
  }
  const hostnames = hostnamesFor(route, listener);
  if (hostnames.length === 0) {
    return refuse('NoMatchingListenerHostname', `no host name of the route is one of listener ${listener.name}`);
  }
  if (!allows(listener, gateway.metadata.namespace, route.metadata.namespace, labelsOf)) {
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

function allows(
  { allowedNamespaces }: GatewayListener,
  own: string,
  namespace: string,
  labelsOf: (namespace: string) => Labels,
): boolean {
  switch (allowedNamespaces?.from) {
    case 'All':
      return true;
    case 'Selector':
      return (
        allowedNamespaces.selector !== undefined && matchesSelector(allowedNamespaces.selector, labelsOf(namespace))
      );
    case 'None':
      return false;
    case 'Same':
    case undefined:
      return namespace === own;
  }
}

function refuse(reason: string, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

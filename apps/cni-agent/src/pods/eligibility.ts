/** Whether a pod belongs to the mesh, and what its annotations ask for. Pure. Spec: data-plane contract 2.4 and 4.5. */
import { type Labels, matchesSelector, type Pod } from '@ambit/kube';
import type { CaptureOptions } from '../rules/rule-model.ts';
import type { EnablementSelector } from './enablement-selector.ts';

export const REDIRECTION_ANNOTATION = 'ambient.istio.io/redirection';
/** `enabled`: captured and served; `pending`: to be captured, ztunnel has not accepted it yet; absent: not in the mesh. */
export type Redirection = 'enabled' | 'pending';

const SIDECAR_ANNOTATION = 'sidecar.istio.io/status';
const INGRESS_MODE_ANNOTATION = 'ambient.istio.io/bypass-inbound-capture';
const DNS_ANNOTATION = 'ambient.istio.io/dns-capture';
const VIRTUAL_INTERFACES_ANNOTATION = 'istio.io/reroute-virtual-interfaces';

export interface EligibilityRules {
  readonly selectors: readonly EnablementSelector[];
  readonly excludeNamespaces: readonly string[];
}

/** Completed pods stay eligible by this rule; that they are not served any more is decided by {@link isTerminal}. */
export function isEligible(pod: Pod, namespaceLabels: Labels, rules: EligibilityRules): boolean {
  if (pod.spec.hostNetwork || SIDECAR_ANNOTATION in pod.metadata.annotations) return false;
  if (rules.excludeNamespaces.includes(pod.metadata.namespace)) return false;
  return rules.selectors.some(
    ({ podSelector, namespaceSelector }) =>
      matchesSelector(podSelector, pod.metadata.labels) && matchesSelector(namespaceSelector, namespaceLabels),
  );
}

export function isTerminal(pod: Pod): boolean {
  return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
}

/** ztunnel's own pods are never told to ztunnel. */
export function isZtunnel(pod: Pod, systemNamespace: string): boolean {
  return pod.metadata.namespace === systemNamespace && pod.metadata.labels['app'] === 'ztunnel';
}

export function redirectionOf(pod: Pod): Redirection | undefined {
  const value = pod.metadata.annotations[REDIRECTION_ANNOTATION];
  return value === 'enabled' || value === 'pending' ? value : undefined;
}

/** Booleans that cannot be read count as not set. */
export function captureOptions(pod: Pod, defaultDnsCapture: boolean): CaptureOptions {
  const { annotations } = pod.metadata;
  const virtualInterfaces = (annotations[VIRTUAL_INTERFACES_ANNOTATION] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(isInterfaceName);
  return {
    ingressMode: readBoolean(annotations[INGRESS_MODE_ANNOTATION]) ?? false,
    dnsCapture: readBoolean(annotations[DNS_ANNOTATION]) ?? defaultDnsCapture,
    virtualInterfaces,
  };
}

function readBoolean(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  return undefined;
}

/** The name becomes a word of a rule; what the kernel would not take as an interface is left out. */
function isInterfaceName(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,15}$/.test(name);
}

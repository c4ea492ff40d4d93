/** Kinds that the mesh itself does not read, but an installation does. */
import type { ApiKind } from '@ambit/kube';

function grouped(group: string, kind: string, plural: string, namespaced: boolean): ApiKind {
  return { group, version: 'v1', kind, plural, namespaced };
}

const admission = 'admissionregistration.k8s.io';

export const DAEMON_SET: ApiKind = grouped('apps', 'DaemonSet', 'daemonsets', true);
export const DEPLOYMENT: ApiKind = grouped('apps', 'Deployment', 'deployments', true);
export const VALIDATING_WEBHOOKS: ApiKind = grouped(
  admission,
  'ValidatingWebhookConfiguration',
  'validatingwebhookconfigurations',
  false,
);

/** What an installation of the Gateway API holds. */
export const GATEWAY_API_KINDS: readonly ApiKind[] = [
  grouped('apiextensions.k8s.io', 'CustomResourceDefinition', 'customresourcedefinitions', false),
  grouped(admission, 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies', false),
  grouped(admission, 'ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings', false),
];

import { type ApiKind, apiKinds } from '@ambit/kube';
import type { OverlayKey } from './gateway-overlays.ts';

function grouped(group: string, version: string, kind: string, plural: string): ApiKind {
  return { group, version, kind, plural, namespaced: true };
}

/** Where generated objects are at the API server. */
export const generatedKinds: Readonly<Record<OverlayKey, ApiKind>> = {
  serviceAccount: apiKinds.ServiceAccount,
  deployment: grouped('apps', 'v1', 'Deployment', 'deployments'),
  service: apiKinds.Service,
  horizontalPodAutoscaler: grouped('autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
  podDisruptionBudget: grouped('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
};

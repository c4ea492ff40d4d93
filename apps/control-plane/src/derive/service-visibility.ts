import { type Labels, matchesSelector } from '@ambit/kube';
import type { MeshSettings, Visibility } from '../mesh-settings.ts';

/**
 * How far the ServiceEntries of a namespace can be seen. `exportTo` has no part in it: ambient ignores that field.
 * Spec: control-plane.md section 3.5, visibility.
 */
export function serviceEntryVisibility(settings: MeshSettings, namespaceLabels: Labels): Visibility {
  const configured = settings.serviceEntryVisibility;
  if (configured === undefined) return 'PUBLIC';
  const policy = configured.policies.find(({ namespaceSelectors }) =>
    namespaceSelectors.every((selector) => matchesSelector(selector, namespaceLabels)),
  );
  return policy?.visibility ?? configured.defaultVisibility;
}

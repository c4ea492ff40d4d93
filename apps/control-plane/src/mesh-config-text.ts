/** Parts of Istio's mesh configuration as text: `serviceEntryVisibility`, `discoverySelectors`. Spec: Istio, mesh.v1alpha1 MeshConfig. */
import { isPlainObject, type LabelSelector, parseLabelSelector } from '@ambit/kube';
import type { ServiceEntryVisibility, Visibility } from './mesh-settings.ts';

/** Parses the JSON that stands in a MeshConfig. Throws with what is wrong, and where. */
export function parseVisibility(text: string): ServiceEntryVisibility {
  const value: unknown = JSON.parse(text);
  if (!isPlainObject(value)) throw new Error('must be a JSON object with defaultVisibility and policies');
  const policies = value['policies'] ?? [];
  if (!Array.isArray(policies)) throw new Error('policies must be a list');
  return {
    defaultVisibility: visibility(value['defaultVisibility'], 'defaultVisibility'),
    policies: policies.map((policy: unknown, index) => {
      const place = `policies[${index}]`;
      if (!isPlainObject(policy)) throw new Error(`${place} must be an object`);
      const rules = policy['matchingRules'] ?? [];
      if (!Array.isArray(rules)) throw new Error(`${place}.matchingRules must be a list`);
      return {
        visibility: visibility(policy['visibility'], `${place}.visibility`),
        namespaceSelectors: rules.map((rule: unknown, at) => selector(rule, `${place}.matchingRules[${at}]`)),
      };
    }),
  };
}

/** Parses the JSON list of label selectors that stands in a MeshConfig. Throws with what is wrong, and where. */
export function parseDiscoverySelectors(text: string): readonly LabelSelector[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error('must be a JSON list of label selectors');
  return value.map((item: unknown, index) => parseLabelSelector(item, `[${index}]`));
}

function visibility(value: unknown, place: string): Visibility {
  if (value === undefined || value === 'VISIBILITY_UNSPECIFIED') return 'PUBLIC';
  if (value === 'PUBLIC' || value === 'NAMESPACE' || value === 'NONE') return value;
  throw new Error(`${place} must be PUBLIC, NAMESPACE or NONE`);
}

/** A rule of another kind never matches in Istio; here it is a mistake, because nobody would notice. */
function selector(rule: unknown, place: string): LabelSelector {
  if (!isPlainObject(rule) || rule['namespaceSelector'] === undefined)
    throw new Error(`${place} must have a namespaceSelector`);
  return parseLabelSelector(rule['namespaceSelector'], `${place}.namespaceSelector`);
}

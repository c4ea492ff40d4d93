import { security } from '@ambit/api';
import type { AttributeValues, AuthorizationPolicy, PolicyRule } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import type { MeshSettings } from '../mesh-settings.ts';
import { meshPolicy, type MeshPolicy } from './mesh-policy.ts';
import { isGoTrue } from './go-literal.ts';
import { addAttribute, isBroadened, isL4Attribute } from './policy-match.ts';

/** `source.trustDomains` is no L7 attribute to istiod, but not converted either. */
const unconvertedL4: ReadonlySet<string> = new Set(['trustDomains']);

/** True for attributes that need HTTP. Spec: control-plane.md section 5.2. */
export function isL7Attribute(attribute: AttributeValues<string>): boolean {
  return !isL4Attribute(attribute.field) && !unconvertedL4.has(attribute.field);
}

/** Every attribute a rule names. */
export function ruleAttributes(rule: PolicyRule): readonly AttributeValues<string>[] {
  return [...rule.to.flat(), ...rule.from.flat(), ...rule.when];
}

/** True for `istio.io/dry-run` with what Go takes for true. */
export function isDryRun(policy: AuthorizationPolicy): boolean {
  return isGoTrue(policy.metadata.annotations['istio.io/dry-run'] ?? '');
}

/** True when ztunnels are sent something for a policy. */
export function isSent(policy: AuthorizationPolicy, settings: MeshSettings): boolean {
  const { action, targets } = policy.spec;
  if (targets.length > 0 || (action !== 'ALLOW' && action !== 'DENY')) return false;
  return settings.sendsDryRunPolicies || !isDryRun(policy);
}

/** What ztunnels are sent for a policy; undefined for nothing. Spec: control-plane.md sections 5.1 and 5.2. */
export function authorizationPolicy(policy: AuthorizationPolicy, settings: MeshSettings): MeshPolicy | undefined {
  if (!isSent(policy, settings)) return undefined;
  const { metadata, spec } = policy;
  const isAllow = spec.action === 'ALLOW';
  const rules = spec.rules
    // An ALLOW rule that asks for more than can be checked must not allow; a DENY rule keeps what can be checked.
    .filter((rule) => !isAllow || !ruleAttributes(rule).some((one) => isL7Attribute(one) || isBroadened(one)))
    .map((rule) => convertRule(rule, metadata.namespace));
  const message = create(security.AuthorizationSchema, {
    name: metadata.name,
    namespace: metadata.namespace,
    scope: scopeOf(policy, settings),
    action: isAllow ? security.Action.ALLOW : security.Action.DENY,
    rules,
    dryRun: isDryRun(policy),
  });
  return meshPolicy(message, policy.origin);
}

function scopeOf(policy: AuthorizationPolicy, settings: MeshSettings): security.Scope {
  if (policy.spec.selector !== undefined) return security.Scope.WORKLOAD_SELECTOR;
  return policy.metadata.namespace === settings.rootNamespace ? security.Scope.GLOBAL : security.Scope.NAMESPACE;
}

/** Clauses in istiod's order: all `to`, all `from`, then each `when`. */
export function convertRule(rule: PolicyRule, namespace: string): security.Rule {
  const groups = [rule.to, rule.from, ...rule.when.map((condition) => [[condition]])];
  const clauses = groups
    .filter((group) => group.length > 0)
    .map((group) => create(security.ClauseSchema, { matches: group.map((entry) => convertMatch(entry, namespace)) }));
  return create(security.RuleSchema, { clauses });
}

function convertMatch(attributes: readonly AttributeValues<string>[], namespace: string): security.Match {
  const match = create(security.MatchSchema);
  for (const attribute of attributes) addAttribute(match, attribute, namespace);
  return match;
}

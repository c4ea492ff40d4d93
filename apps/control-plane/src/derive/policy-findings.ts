import type {
  AttributeValues,
  AuthorizationPolicy,
  Location,
  PeerAuthentication,
  PolicyRule,
  SourceReport,
} from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { convertRule, isDryRun, isL7Attribute, ruleAttributes } from './authorization-policy.ts';
import { isEmptyMatch } from './policy-match.ts';
import { inheritedIsStrict, type InheritedMode } from './peer-authentication.ts';

/** What is known of the mesh when names in a policy are checked. */
export interface KnownNames {
  hasNamespace(name: string): boolean;
  hasServiceAccount(namespace: string, name: string): boolean;
}

/** What a policy says that its author can hardly have meant. Empty for a policy that is sound. */
export function policyFindings(
  policy: AuthorizationPolicy,
  known: KnownNames,
  settings: MeshSettings,
): readonly SourceReport[] {
  const { spec, metadata, origin } = policy;
  if (spec.targets.length > 0) return [];
  const title = `AuthorizationPolicy ${metadata.namespace}/${metadata.name}`;
  if (spec.action === 'AUDIT' || spec.action === 'CUSTOM') {
    return [
      warning(origin, `${title}: action ${spec.action} is not enforced by ztunnel, nothing is sent; use ALLOW or DENY`),
    ];
  }
  if (isDryRun(policy)) return [warning(origin, `${title}: istio.io/dry-run is set, the policy is not enforced`)];
  const findings: SourceReport[] = [];
  if (spec.selector !== undefined && spec.selector.matchLabels === undefined) {
    const advice = 'leave out selector to mean the whole namespace';
    findings.push(warning(origin, `${title}: selector {} selects gateways, but no workload at ztunnel; ${advice}`));
  }
  if (spec.action === 'DENY' && spec.rules.length === 0) {
    findings.push(
      warning(origin, `${title}: a DENY policy without rules denies nothing; write rules: [{}] to deny everything`),
    );
  }
  for (const rule of spec.rules) {
    const l7 = [
      ...new Set(
        ruleAttributes(rule)
          .filter(isL7Attribute)
          .map((attribute) => attribute.field),
      ),
    ];
    findings.push(...ruleEffectFindings(policy, rule, l7, title));
    for (const attribute of ruleAttributes(rule)) {
      findings.push(...nameFindings(attribute, policy, known, settings, rule.origin, title));
    }
  }
  return findings;
}

function ruleEffectFindings(
  policy: AuthorizationPolicy,
  rule: PolicyRule,
  l7: readonly string[],
  title: string,
): readonly SourceReport[] {
  const names = l7.join(', ');
  if (policy.spec.action === 'ALLOW' && l7.length > 0) {
    const effect = `this ALLOW rule uses ${names}, which need HTTP; ztunnel drops the rule, so less is allowed than written`;
    return [warning(rule.origin, `${title}: ${effect}; put the policy on a waypoint with targetRefs`)];
  }
  const converted = convertRule(rule, policy.metadata.namespace);
  const isDead = converted.clauses.some((clause) => clause.matches.length > 0 && clause.matches.every(isEmptyMatch));
  if (isDead) {
    const reason = l7.length > 0 ? `${names} need HTTP` : 'it names nothing that ztunnel can check';
    const effect = `this ${policy.spec.action} rule can never match at ztunnel (${reason}), so it has no effect there`;
    return [warning(rule.origin, `${title}: ${effect}; put the policy on a waypoint with targetRefs`)];
  }
  if (l7.length > 0) {
    const effect = `this DENY rule uses ${names}, which need HTTP; ztunnel checks the rest only, so more is denied than written`;
    return [warning(rule.origin, `${title}: ${effect}; put the policy on a waypoint with targetRefs`)];
  }
  return [];
}

function nameFindings(
  attribute: AttributeValues<string>,
  policy: AuthorizationPolicy,
  known: KnownNames,
  settings: MeshSettings,
  location: Location,
  title: string,
): readonly SourceReport[] {
  const say = (problem: string | undefined): readonly SourceReport[] =>
    problem === undefined ? [] : [warning(location, `${title}: ${attribute.field}: ${problem}`)];
  const values = [...attribute.values, ...attribute.notValues];
  switch (attribute.field) {
    case 'principals':
    case 'source.principal':
      return values.flatMap((value) => say(principalProblem(value, known, settings)));
    case 'namespaces':
    case 'source.namespace':
      return values.flatMap((value) => say(namespaceProblem(value, known)));
    case 'serviceAccounts':
      return values.flatMap((value) => {
        const slash = value.indexOf('/');
        const namespace = slash < 0 ? policy.metadata.namespace : value.slice(0, slash);
        return say(accountProblem(value, namespace, value.slice(slash + 1), known));
      });
    case 'trustDomains':
      return say('is not checked by ztunnel, the rule is judged by its other fields alone; write principals instead');
    default:
      return [];
  }
}

function principalProblem(value: string, known: KnownNames, settings: MeshSettings): string | undefined {
  if (value.startsWith('spiffe://')) {
    return `"${value}" never matches; principals are written without spiffe://, write "${value.slice('spiffe://'.length)}"`;
  }
  if (value.startsWith('*') || value.endsWith('*')) return undefined;
  const parts = /^([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(value);
  const [, trustDomain, namespace, account] = parts ?? [];
  if (trustDomain === undefined || namespace === undefined || account === undefined) {
    return `"${value}" never matches; write <trust domain>/ns/<namespace>/sa/<service account>`;
  }
  // Identities of another trust domain cannot be known here.
  return trustDomain === settings.trustDomain ? accountProblem(value, namespace, account, known) : undefined;
}

function namespaceProblem(value: string, known: KnownNames): string | undefined {
  if (value.includes('*') || known.hasNamespace(value)) return undefined;
  return `"${value}" names a namespace that does not exist; check its spelling`;
}

function accountProblem(value: string, namespace: string, account: string, known: KnownNames): string | undefined {
  if (!known.hasNamespace(namespace)) return `"${value}" names a namespace that does not exist; check its spelling`;
  if (known.hasServiceAccount(namespace, account)) return undefined;
  return `"${value}" names a service account that no pod uses; check its spelling`;
}

/** Port modes of a PeerAuthentication that are not what they look like. */
export function peerFindings(
  peer: PeerAuthentication,
  inherited: InheritedMode,
  settings: MeshSettings,
): readonly SourceReport[] {
  const { metadata, spec, origin } = peer;
  const title = `PeerAuthentication ${metadata.namespace}/${metadata.name}`;
  if (metadata.namespace === settings.rootNamespace && spec.selector?.matchLabels !== undefined) {
    return [
      warning(
        origin,
        `${title}: a selector in ${settings.rootNamespace} selects no workload; move it to the workloads' namespace`,
      ),
    ];
  }
  const disabled = spec.portLevel.filter(({ mode }) => mode === 'DISABLE').map(({ port }) => port);
  const isUnnoticed =
    spec.mode === 'UNSET' && inheritedIsStrict(inherited) && !spec.portLevel.some(({ mode }) => mode === 'PERMISSIVE');
  if (disabled.length > 0 && isUnnoticed) {
    const advice = 'use PERMISSIVE to open them';
    return [
      warning(
        origin,
        `${title}: DISABLE on port ${disabled.join(', ')} does not open it, STRICT is inherited; ${advice}`,
      ),
    ];
  }
  return [];
}

function warning(location: Location, message: string): SourceReport {
  return { severity: 'warning', code: 'suspicious', location, message };
}

import { compareText } from '@ambit/collections';
import {
  type AttributeValues,
  type AuthorizationPolicy,
  groupOfTarget,
  type ObjectMeta,
  type PolicyTarget,
} from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { convertRule, isDryRun, isL7Attribute, ruleAttributes } from './authorization-policy.ts';
import { isEmptyMatch } from './policy-match.ts';
import type { DesiredCondition } from './status-write.ts';

/** Where the targets of a policy are looked up. */
export interface TargetLookup {
  /** Controller of a GatewayClass; undefined when there is none of that name. */
  controllerOf(gatewayClass: string): string | undefined;
  /** True for a Gateway that can be a waypoint. */
  isWaypoint(gateway: string): boolean;
  /** Waypoint of a Service or ServiceEntry: its key, `unbound`, `closed`, or undefined when there is no such object. */
  waypointOf(kind: 'Service' | 'ServiceEntry', key: string): string | undefined;
  /** True for a route that is there; without it routes cannot be targets. */
  hasRoute?(kind: 'HTTPRoute' | 'GRPCRoute', key: string): boolean;
}

/** Answer of `TargetLookup.waypointOf` for an object without waypoint. No waypoint has such a key. */
export const unbound = '';

/** The waypoint of a service that is not called without it. */
export const closed = '-';

/** What names the services and gateways that it is for. */
interface AttachedByTargets {
  readonly metadata: ObjectMeta;
  readonly spec: { readonly targets: readonly PolicyTarget[] };
}

type AcceptedReason = 'Accepted' | 'Invalid' | 'AncestorNotBound' | 'TargetNotFound';

/** Conditions of a policy: at ztunnel, or with targets at waypoints. Spec: control-plane.md section 4.4. */
export function policyConditions(
  policy: AuthorizationPolicy,
  lookup: TargetLookup,
  settings: MeshSettings,
): readonly DesiredCondition[] {
  const condition =
    policy.spec.targets.length > 0 ? atWaypoints(policy, lookup, settings) : atZtunnel(policy, settings);
  return [observed(condition, policy.metadata)];
}

/** Conditions of anything else that is attached by targets; without any it is not for waypoints, and nothing is said. */
export function attachmentConditions(
  attached: AttachedByTargets,
  lookup: TargetLookup,
  settings: MeshSettings,
): readonly DesiredCondition[] {
  if (attached.spec.targets.length === 0) return [];
  return [observed(atWaypoints(attached, lookup, settings), attached.metadata)];
}

const maxMessageChars = 1_500;

/** Says on an object's own status what of it is written and not in force; nothing while there is nothing to say. */
export function fieldConditions({ generation }: ObjectMeta, problems: readonly string[]): readonly DesiredCondition[] {
  if (problems.length === 0) return [];
  const text = problems.join('; ');
  return [
    {
      type: 'ambit.dev/FieldsInForce',
      status: 'False',
      reason: 'Unsupported',
      message: text.length > maxMessageChars ? `${text.slice(0, maxMessageChars)}...` : text,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    },
  ];
}

function observed(condition: DesiredCondition, { generation }: ObjectMeta): DesiredCondition {
  return generation === undefined ? condition : { ...condition, observedGeneration: generation };
}

/**
 * Whether something is sent to ztunnels. `True` with reason `UnsupportedValue` means: sent, but not all that is written.
 * Spec: control-plane.md section 5.2.
 */
function atZtunnel(policy: AuthorizationPolicy, settings: MeshSettings): DesiredCondition {
  const type = 'ZtunnelAccepted';
  const { action, rules } = policy.spec;
  if (action === 'AUDIT' || action === 'CUSTOM') {
    const message = `ztunnel has no action ${action}, nothing is enforced; use ALLOW or DENY, or targetRefs at a waypoint`;
    return { type, status: 'False', reason: 'UnsupportedValue', message };
  }
  if (isDryRun(policy) && !settings.sendsDryRunPolicies) {
    const message = 'annotation istio.io/dry-run is set and not supported for ztunnel, nothing is enforced';
    return { type, status: 'False', reason: 'UnsupportedValue', message };
  }
  const attributes = new Set(rules.flatMap((rule) => ruleAttributes(rule).filter(isL7Attribute).flatMap(writtenNames)));
  if (attributes.size === 0) return { type, status: 'True', reason: 'Accepted', message: 'sent to ztunnel' };
  const names = [...attributes].toSorted(compareText).join(', ');
  const message = `ztunnel cannot check HTTP attributes (${names}): ${l7Effect(policy)}; put the policy on a waypoint with targetRefs`;
  return { type, status: 'True', reason: 'UnsupportedValue', message };
}

function l7Effect(policy: AuthorizationPolicy): string {
  if (policy.spec.action === 'ALLOW') return 'rules with them are left out, so less is allowed than written';
  const hasEffect = policy.spec.rules
    .map((rule) => convertRule(rule, policy.metadata.namespace))
    .some(({ clauses }) => clauses.every(({ matches }) => matches.length === 0 || !matches.every(isEmptyMatch)));
  return hasEffect
    ? 'the rest of each rule is enforced alone, so more may be denied than written'
    : 'nothing is left that could match, so nothing is denied';
}

function writtenNames({ field, values, notValues }: AttributeValues<string>): readonly string[] {
  // A condition has its key as name, whichever list it fills.
  if (field.includes('.') || field.includes('[')) return [field];
  const negative = `not${field.slice(0, 1).toUpperCase()}${field.slice(1)}`;
  return [...(values.length > 0 ? [field] : []), ...(notValues.length > 0 ? [negative] : [])];
}

function atWaypoints(policy: AttachedByTargets, lookup: TargetLookup, settings: MeshSettings): DesiredCondition {
  const type = 'WaypointAccepted';
  const verdicts = policy.spec.targets.map((target) => ({
    target,
    ...judgeTarget(target, policy.metadata.namespace, lookup, settings),
  }));
  const [only] = verdicts;
  if (only !== undefined && verdicts.length === 1) {
    const status = only.reason === 'Accepted' ? 'True' : 'False';
    return { type, status, reason: only.reason, message: only.message };
  }
  const refused = verdicts.filter(({ reason }) => reason !== 'Accepted');
  const message = refused.map((verdict) => verdict.message).join('; ');
  if (refused.length === verdicts.length) return { type, status: 'False', reason: 'Invalid', message };
  if (refused.length > 0) return { type, status: 'True', reason: 'PartiallyInvalid', message };
  const all = verdicts.map((verdict) => verdict.message).join('; ');
  return { type, status: 'True', reason: 'Accepted', message: all };
}

function judgeTarget(
  target: PolicyTarget,
  namespace: string,
  lookup: TargetLookup,
  settings: MeshSettings,
): { readonly reason: AcceptedReason; readonly message: string } {
  const { kind, name } = target;
  const key = `${namespace}/${name}`;
  if (target.namespace !== undefined && target.namespace !== namespace) {
    const message = `${kind} ${target.namespace}/${name} is in another namespace; put the policy into that namespace`;
    return { reason: 'Invalid', message };
  }
  switch (kind) {
    case 'GatewayClass': {
      if (namespace !== settings.rootNamespace) {
        const message = `a policy for GatewayClass ${name} must be in the root namespace ${settings.rootNamespace}`;
        return { reason: 'Invalid', message };
      }
      const controller = lookup.controllerOf(name);
      if (controller === undefined) return { reason: 'TargetNotFound', message: `there is no GatewayClass ${name}` };
      if (settings.waypointControllers.includes(controller)) return accept(`every waypoint of class ${name}`);
      if (settings.gatewayControllers.includes(controller)) return accept(`every gateway of class ${name}`);
      return { reason: 'Invalid', message: `GatewayClass ${name} is not a class of waypoints` };
    }
    case 'Gateway':
      if (lookup.isWaypoint(key)) return accept(key);
      return { reason: 'TargetNotFound', message: `there is no Gateway ${key} with an address` };
    case 'Service':
    case 'ServiceEntry': {
      const waypoint = lookup.waypointOf(kind, key);
      if (waypoint === undefined) return { reason: 'TargetNotFound', message: `there is no ${kind} ${key}` };
      if (waypoint === closed) {
        const message = `${kind} ${key} has not got the waypoint that it asks for, so calls are refused`;
        return { reason: 'AncestorNotBound', message };
      }
      if (waypoint !== unbound) return accept(waypoint);
      const message = `${kind} ${key} has no waypoint, so nobody enforces this; set istio.io/use-waypoint`;
      return { reason: 'AncestorNotBound', message };
    }
    case 'HTTPRoute':
    case 'GRPCRoute':
      if (lookup.hasRoute?.(kind, key) === true) return accept(`${kind} ${key}`);
      if (lookup.hasRoute !== undefined) return { reason: 'TargetNotFound', message: `there is no ${kind} ${key}` };
      return unknownKind(kind);
    default:
      return unknownKind(kind);
  }
}

function unknownKind(written: string): { readonly reason: AcceptedReason; readonly message: string } {
  const [kind = ''] = written.split('.');
  const group = written === kind ? undefined : groupOfTarget(kind);
  if (group !== undefined) {
    const right = group === '' ? 'leave out its group' : `write group: ${group}`;
    return { reason: 'Invalid', message: `${written} is of another group than the ${kind} that is meant; ${right}` };
  }
  const message = `a policy cannot be attached to kind ${kind}; use Service, ServiceEntry, Gateway or GatewayClass`;
  return { reason: 'Invalid', message };
}

function accept(waypoint: string): { readonly reason: AcceptedReason; readonly message: string } {
  return { reason: 'Accepted', message: `bound to ${waypoint}` };
}

import { isCidrOrIp } from '../ip-literal.ts';
import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type PolicyTarget, readTargets } from './policy-target.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';
import { readSelector, type WorkloadSelector } from './workload-selector.ts';

export const policyActions = ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'] as const;
export type PolicyAction = (typeof policyActions)[number];

/** Fields of `from[].source`; every one also exists as `not...`. */
export const sourceFields = [
  'principals',
  'requestPrincipals',
  'namespaces',
  'ipBlocks',
  'remoteIpBlocks',
  'serviceAccounts',
  'trustDomains',
] as const;
/** Fields of `to[].operation`; every one also exists as `not...`. */
export const operationFields = ['hosts', 'ports', 'methods', 'paths'] as const;

/** Accepted and refused values of one attribute; at least one list is not empty. */
export interface AttributeValues<F extends string> {
  readonly field: F;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

export type PolicySource = readonly AttributeValues<(typeof sourceFields)[number]>[];
export type PolicyOperation = readonly AttributeValues<(typeof operationFields)[number]>[];
export type PolicyCondition = AttributeValues<string>;

export interface PolicyRule {
  readonly from: readonly PolicySource[];
  readonly to: readonly PolicyOperation[];
  readonly when: readonly PolicyCondition[];
  /** `from` and `to` written as lists, even if empty: Istio treats both like absent ones. */
  readonly origin: Location;
}

/** Who may call a workload. */
export interface AuthorizationPolicy extends ResourceBase<'AuthorizationPolicy'> {
  readonly spec: {
    readonly selector: WorkloadSelector | undefined;
    /** When there are any, the policy is for waypoints and gateways, not for ztunnel. */
    readonly targets: readonly PolicyTarget[];
    readonly action: PolicyAction;
    /** Who is asked, with action CUSTOM. */
    readonly provider: string | undefined;
    readonly rules: readonly PolicyRule[];
  };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

/** Gives the place of a path within the object being read. */
export type Locate = (path: ObjectReader['path']) => Location;

/**
 * What cannot be used of a rule is a warning and stays in the record: a policy that was kept out of force for it would be
 * missing, and with it what it refuses. Whoever enforces the rule makes it stricter instead.
 */
export function readAuthorizationPolicy(
  reader: ObjectReader,
  metadata: ObjectMeta,
  origin: Location,
  locate: Locate,
): AuthorizationPolicy {
  const spec = reader.object('spec', (body) => readSpec(body, locate));
  return {
    kind: 'AuthorizationPolicy',
    metadata,
    origin,
    spec: spec ?? { selector: undefined, targets: [], action: 'ALLOW', provider: undefined, rules: [] },
    status: { conditions: readConditions(reader) },
  };
}

function readSpec(reader: ObjectReader, locate: Locate): AuthorizationPolicy['spec'] {
  const selector = readSelector(reader);
  const targets = readTargets(reader);
  if (selector !== undefined && targets.length > 0) {
    reader.error('selector', 'cannot be combined with targetRefs; keep one of the two');
  }
  const action = reader.choice('action', policyActions) ?? 'ALLOW';
  return {
    selector,
    targets,
    action,
    provider: reader.object('provider', (provider) => provider.string('name')),
    rules: reader.objects('rules', (rule) => readRule(rule, locate)),
  };
}

function readRule(reader: ObjectReader, locate: Locate): PolicyRule {
  return {
    from: reader.objects('from', (from) => from.requiredObject('source', readSource) ?? []),
    to: reader.objects('to', (to) => to.requiredObject('operation', readOperation) ?? []),
    when: reader.objects('when', readCondition),
    origin: locate(reader.path),
  };
}

function readSource(reader: ObjectReader): PolicySource {
  const source = sourceFields.map((field) => readValues(reader, field)).filter(hasValues);
  if (!namesAny(reader, sourceFields))
    reader.warn('', 'must name at least one source; to match every caller leave out "from"');
  for (const { field, values, notValues } of source) {
    if (field !== 'ipBlocks' && field !== 'remoteIpBlocks') continue;
    for (const value of [...values, ...notValues]) {
      if (!isCidrOrIp(value)) reader.warn(field, `holds "${value}", which is neither an IP address nor a CIDR prefix`);
    }
  }
  return source;
}

function readOperation(reader: ObjectReader): PolicyOperation {
  const operation = operationFields.map((field) => readValues(reader, field)).filter(hasValues);
  if (!namesAny(reader, operationFields))
    reader.warn('', 'must name at least one operation; to match every request leave out "to"');
  for (const { field, values, notValues } of operation) {
    if (field !== 'ports') continue;
    for (const value of [...values, ...notValues]) {
      if (!isPortText(value)) reader.warn(field, `holds "${value}", which is not a port number`);
    }
  }
  return operation;
}

function readCondition(reader: ObjectReader): PolicyCondition {
  const condition = {
    field: reader.requiredString('key'),
    values: reader.strings('values'),
    notValues: reader.strings('notValues'),
  };
  if (!hasValues(condition)) reader.warn('values', 'or notValues is required');
  return condition;
}

function readValues<F extends string>(reader: ObjectReader, field: F): AttributeValues<F> {
  return { field, values: reader.strings(field), notValues: reader.strings(opposite(field)) };
}

/** `ports` -> `notPorts`. */
function opposite(field: string): string {
  return `not${field.slice(0, 1).toUpperCase()}${field.slice(1)}`;
}

/** True when a field is written, however wrongly: its own mistakes are reported already. */
function namesAny(reader: ObjectReader, fields: readonly string[]): boolean {
  return fields.some((field) => reader.has(field) || reader.has(opposite(field)));
}

function hasValues(attribute: AttributeValues<string>): boolean {
  return attribute.values.length > 0 || attribute.notValues.length > 0;
}

function isPortText(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

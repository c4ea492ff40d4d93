/** AuthorizationPolicy and RequestAuthentication at L7 proxies. Spec: l7.md sections 4.1 and 4.5. */
import { access } from '@ambit/api';
import { type Collection, compareText, type Index } from '@ambit/collections';
import {
  type AttributeValues,
  type AuthorizationPolicy,
  type JwtRuleSpec,
  type PolicyTarget,
  type RequestAuthentication,
  resourceName,
} from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { isDryRun } from '../derive/authorization-policy.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { type KeySource, keySourceOf } from './jwks-source.ts';
import { type L7Gateway, selectsGateway } from './l7-gateway.ts';

type Attached = AuthorizationPolicy | RequestAuthentication;

/** Waypoint policies may name the class of either project: users keep what they have written. */
const waypointClasses: readonly string[] = ['ambit-waypoint', 'istio-waypoint'];

/** Finds what is attached to gateways and services. */
export class AccessRuleFinder {
  readonly #settings: MeshSettings;
  readonly #keys: Collection<KeySource>;
  readonly #policies: Index<AuthorizationPolicy>;
  readonly #tokens: Index<RequestAuthentication>;

  constructor(objects: MeshObjects, keys: Collection<KeySource>, settings: MeshSettings) {
    this.#settings = settings;
    this.#keys = keys;
    this.#policies = objects.AuthorizationPolicy.index('by-target', (policy) => this.#places(policy));
    this.#tokens = objects.RequestAuthentication.index('by-target', (tokens) => this.#places(tokens));
  }

  /** What holds for all traffic of a gateway. */
  ofGateway(reads: MeshReads, at: L7Gateway): access.AccessRules | undefined {
    const { gateway, role } = at;
    const { namespace, name } = gateway.metadata;
    const own = gateway.spec.gatewayClassName;
    const classes = new Set(role === 'waypoint' ? [own, ...waypointClasses] : [own]);
    const places = [`Gateway/${namespace}/${name}`, ...[...classes].map((one) => `GatewayClass/${one}`)];
    if (role === 'waypoint') return this.#rules(reads, places, () => true);
    // Ingress gateways are workloads too, so what selects pods holds for them.
    const namespaces = new Set([namespace, this.#settings.rootNamespace]);
    return this.#rules(reads, [...places, ...[...namespaces].map((one) => `pods/${one}`)], (attached) =>
      selectsGateway(attached.spec.selector, at),
    );
  }

  /** What holds for traffic to one service. */
  ofService(
    reads: MeshReads,
    { source, namespace, name }: { readonly source: string; readonly namespace: string; readonly name: string },
  ): access.AccessRules | undefined {
    return this.#rules(reads, [`${source}/${namespace}/${name}`], () => true);
  }

  #rules(
    reads: MeshReads,
    places: readonly string[],
    isMeant: (attached: Attached) => boolean,
  ): access.AccessRules | undefined {
    const found = <T extends Attached>(index: Index<T>): readonly T[] =>
      [...new Set(places.flatMap((place) => reads.lookup(index, place)))]
        .filter((attached) => attached.spec.targets.length > 0 || isMeant(attached))
        .toSorted((a, b) => compareText(resourceName(a), resourceName(b)));
    const policies = found(this.#policies);
    const rules = found(this.#tokens).flatMap(({ spec }) => spec.jwtRules);
    if (policies.length + rules.length === 0) return undefined;
    return create(access.AccessRulesSchema, {
      policies: policies.map(policyWords),
      jwtRules: rules
        .toSorted((a, b) => compareText(a.issuer, b.issuer))
        .map((rule) => jwtRule(rule, keysOf(rule, reads, this.#keys))),
    });
  }

  /** Where something is attached: its targets; without any, to the pods of its namespace. */
  #places({ metadata: { namespace }, spec }: Attached): readonly string[] {
    if (spec.targets.length === 0) return [`pods/${namespace}`];
    const places = spec.targets.flatMap((target) => this.#place(target, namespace) ?? []);
    return [...new Set(places)];
  }

  /** Targets are in the policy's own namespace; classes belong to whoever owns the mesh. */
  #place(target: PolicyTarget, namespace: string): string | undefined {
    if (target.namespace !== undefined && target.namespace !== namespace) return undefined;
    const { kind, name } = target;
    if (kind === 'GatewayClass') return namespace === this.#settings.rootNamespace ? `GatewayClass/${name}` : undefined;
    const isKnown = kind === 'Gateway' || kind === 'Service' || kind === 'ServiceEntry';
    return isKnown ? `${kind}/${namespace}/${name}` : undefined;
  }
}

const { ALLOW, DENY, AUDIT, CUSTOM } = access.AuthorizationPolicy_Action;
const actions = { ALLOW, DENY, AUDIT, CUSTOM } as const;

/** A policy word for word: what its words mean is decided where it is enforced. */
function policyWords(policy: AuthorizationPolicy): access.AuthorizationPolicy {
  const { metadata, spec } = policy;
  const group = (attributes: readonly AttributeValues<string>[]): access.AuthorizationPolicy_Group =>
    create(access.AuthorizationPolicy_GroupSchema, { attributes: attributes.map(attribute) });
  return create(access.AuthorizationPolicySchema, {
    namespace: metadata.namespace,
    name: metadata.name,
    action: actions[spec.action],
    provider: spec.provider ?? '',
    dryRun: isDryRun(policy),
    rules: spec.rules.map(({ from, to, when }) => ({
      from: from.map(group),
      to: to.map(group),
      when: when.map(attribute),
    })),
  });
}

function attribute({ field, values, notValues }: AttributeValues<string>): access.AuthorizationPolicy_Attribute {
  return create(access.AuthorizationPolicy_AttributeSchema, {
    field,
    values: [...values],
    notValues: [...notValues],
  });
}

function keysOf(rule: JwtRuleSpec, reads: MeshReads, keys: Collection<KeySource>): string {
  if (rule.jwks !== undefined && rule.jwks !== '') return rule.jwks;
  return reads.get(keys, keySourceOf(rule)?.key ?? '')?.jwks ?? '';
}

function jwtRule(rule: JwtRuleSpec, jwks: string): access.JwtRule {
  return create(access.JwtRuleSchema, {
    issuer: rule.issuer,
    audiences: [...rule.audiences],
    places: [
      ...rule.fromHeaders.map(({ name, prefix }) => ({
        kind: { case: 'header' as const, value: { name: name.toLowerCase(), prefix } },
      })),
      ...rule.fromParams.map((value) => ({ kind: { case: 'parameter' as const, value } })),
      ...rule.fromCookies.map((value) => ({ kind: { case: 'cookie' as const, value } })),
    ],
    jwks,
    forwardToken: rule.forwardOriginalToken,
    payloadHeader: rule.outputPayloadToHeader?.toLowerCase() ?? '',
    claimHeaders: rule.outputClaimToHeaders.map(({ header, claim }) => ({
      header: header.toLowerCase(),
      claim: claim.split('.'),
    })),
    spaceDelimitedClaims: [...rule.spaceDelimitedClaims],
  });
}

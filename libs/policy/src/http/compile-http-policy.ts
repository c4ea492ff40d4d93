/**
 * From the words of an AuthorizationPolicy to the form in which it is evaluated. A value that cannot be used makes an
 * ALLOW stricter (its rule goes) and a DENY broader (only that condition goes): never the other way round.
 * Spec: contract l7 4.2 and 4.3.
 */
import { attributeTest, type AttributeScope } from './attribute-test.ts';
import type { AttributeCondition, ConditionGroup, HttpPolicy, HttpPolicyAction, HttpRule } from './http-policy.ts';

/** Accepted and refused values of one field or key, as in the resource. */
export interface AttributeText {
  /** A field of `source` or `operation`, or the key of a `when`. */
  readonly field: string;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

/** One rule, as in the resource. */
export interface RuleText {
  readonly from: readonly (readonly AttributeText[])[];
  readonly to: readonly (readonly AttributeText[])[];
  readonly when: readonly AttributeText[];
}

/** A policy as in the resource. */
export interface HttpPolicyText {
  readonly namespace: string;
  readonly name: string;
  readonly action: HttpPolicyAction;
  readonly provider: string | undefined;
  readonly isDryRun: boolean;
  readonly rules: readonly RuleText[];
}

/** Where the policy will be evaluated. */
export interface PolicyPlace {
  /** Without HTTP only addresses, ports, identities and the server name can be looked at. */
  readonly protocol: 'http' | 'tcp';
  /** The mesh's own trust domain and its aliases. */
  readonly trustDomains: readonly string[];
}

/** A value that was left out, and what that made of the policy. */
export interface PolicyFlaw {
  readonly rule: number;
  readonly field: string;
  readonly reason: string;
  readonly effect: 'rule-dropped' | 'condition-dropped';
}

/** A policy with everything that had to be left out of it. */
export interface CompiledHttpPolicy {
  readonly policy: HttpPolicy;
  readonly flaws: readonly PolicyFlaw[];
}

/**
 * Makes a policy of texts one that requests can be held against. What cannot be read is left out so that the policy never lets
 * more through: of an ALLOW the rule, of others the condition; each is a flaw with its place. Pure, never throws.
 */
export function compileHttpPolicy(text: HttpPolicyText, place: PolicyPlace): CompiledHttpPolicy {
  const flaws: PolicyFlaw[] = [];
  const scope: AttributeScope = { ...place, policyNamespace: text.namespace };
  const rules: HttpRule[] = [];
  for (const [index, ruleText] of text.rules.entries()) {
    const rule = compileRule(ruleText, index, text.action, scope, flaws);
    if (rule !== undefined) rules.push(rule);
  }
  const { namespace, name, action, provider, isDryRun } = text;
  return { policy: { namespace, name, action, provider, isDryRun, rules }, flaws };
}

function compileRule(
  text: RuleText,
  index: number,
  action: HttpPolicyAction,
  scope: AttributeScope,
  flaws: PolicyFlaw[],
): HttpRule | undefined {
  // A CUSTOM rule decides whether somebody else is asked: like a DENY it must not become narrower.
  const effect = action === 'allow' ? 'rule-dropped' : 'condition-dropped';
  let isUsable = true;
  const leaveOut = (field: string, reason: string): void => {
    isUsable &&= effect === 'condition-dropped';
    flaws.push({ rule: index, field, reason, effect });
  };
  const group = (attributes: readonly AttributeText[]): ConditionGroup => {
    const conditions: AttributeCondition[] = [];
    for (const { field, values, notValues } of attributes) {
      if (values.length + notValues.length === 0) leaveOut(field, 'there is no value');
      for (const isNegated of [false, true]) {
        const wanted = isNegated ? notValues : values;
        if (wanted.length === 0) continue;
        const test = attributeTest(field, wanted, scope);
        if (typeof test === 'string') leaveOut(field, test);
        else conditions.push({ test, isNegated });
      }
    }
    return conditions;
  };
  // Everybody is meant by no `from` at all; an entry that names nothing is a mistake.
  const named = (field: string) => (attributes: readonly AttributeText[]) => {
    if (attributes.length === 0) leaveOut(field, 'it names nothing');
    return group(attributes);
  };
  const rule = {
    index,
    from: text.from.map(named('source')),
    to: text.to.map(named('operation')),
    when: group(text.when),
  };
  return isUsable ? rule : undefined;
}

/**
 * The decision whether a connection may reach a workload. Pure: same store, same facts, same
 * answer; the caller logs and acts. Spec: contract data-plane 6.2 and 6.3.
 */
import type { ConnectionContext, PolicyTarget } from './connection-context.ts';
import { matchingRule, noRule } from './match-policy.ts';
import type { Policy } from './policy.ts';
import type { PolicyStore } from './policy-store.ts';

const permit: unique symbol = Symbol('ambit.policy.permit');

/** Which policy and which of its rules decided; both undefined when no policy applied. */
export interface Explanation {
  readonly policy: string | undefined;
  readonly rule: number | undefined;
  /** Version of the policy store that answered. */
  readonly storeVersion: number;
  /** What policies in dry run would have said; empty without such policies. */
  readonly dryRun: readonly DryRunFinding[];
}

/** Would-be effect of a dry-run policy. */
export interface DryRunFinding {
  readonly policy: string;
  readonly outcome: 'would-deny' | 'would-allow' | 'would-not-allow';
}

/**
 * The permit to open the upstream connection of exactly this context. Only `authorize` can make
 * one: the symbol that marks it is not exported.
 */
export interface Admitted {
  readonly kind: 'admitted';
  readonly context: ConnectionContext;
  readonly explanation: Explanation;
  readonly [permit]: true;
}

/** Refused. `reason` is the text that Istio's ztunnel logs and operators look for. */
export interface Denied {
  readonly kind: 'denied';
  readonly reason: string;
  readonly explanation: Explanation;
}

/** Policies named by the workload are not known yet, and the answer may depend on them. */
export interface Missing {
  readonly kind: 'missing';
  readonly policies: readonly string[];
}

/** The outcome of `authorize`. */
export type Authorization = Admitted | Denied | Missing;

/**
 * What to do about a policy that a workload names but that has not arrived. `hold` answers
 * `Missing`; `ignore` skips it as Istio's ztunnel does, which fails open.
 */
export type MissingPolicyRule = 'hold' | 'ignore';

/** Decides one connection to one workload. */
export function authorize(
  store: PolicyStore,
  context: ConnectionContext,
  target: PolicyTarget,
  onMissing: MissingPolicyRule,
): Authorization {
  const { policies, missing } = store.applicable(target);
  const dryRun = dryRunFindings(policies, context);
  const storeVersion = store.version;

  for (const [name, policy] of policies) {
    if (policy.dryRun || policy.action !== 'deny') continue;
    const rule = matchingRule(policy, context);
    if (rule === noRule) continue;
    const reason = `explicitly denied by: ${policy.namespace}/${policy.name}`;
    return { kind: 'denied', reason, explanation: { policy: name, rule, storeVersion, dryRun } };
  }
  // A missing policy may deny, or be the only one that allows: no answer without it.
  if (missing.length > 0 && onMissing === 'hold') return { kind: 'missing', policies: missing };

  let hasAllow = false;
  for (const [name, policy] of policies) {
    if (policy.dryRun || policy.action !== 'allow') continue;
    hasAllow = true;
    const rule = matchingRule(policy, context);
    if (rule !== noRule) return admitted(context, { policy: name, rule, storeVersion, dryRun });
  }
  const explanation = { policy: undefined, rule: undefined, storeVersion, dryRun };
  if (!hasAllow) return admitted(context, explanation);
  return { kind: 'denied', reason: 'allow policies exist, but none allowed', explanation };
}

function admitted(context: ConnectionContext, explanation: Explanation): Admitted {
  return { kind: 'admitted', context, explanation, [permit]: true };
}

function dryRunFindings(policies: ReadonlyMap<string, Policy>, context: ConnectionContext): readonly DryRunFinding[] {
  let findings: DryRunFinding[] | undefined;
  for (const [name, policy] of policies) {
    if (!policy.dryRun) continue;
    const matches = matchingRule(policy, context) !== noRule;
    findings ??= [];
    if (policy.action === 'allow') {
      findings.push({ policy: name, outcome: matches ? 'would-allow' : 'would-not-allow' });
    } else if (matches) {
      findings.push({ policy: name, outcome: 'would-deny' });
    }
  }
  return findings ?? noFindings;
}

const noFindings: readonly DryRunFinding[] = [];

/**
 * The decision about one request (or TCP connection) at a waypoint or gateway, in Istio's order. Pure: the caller asks
 * external providers, logs and answers. Spec: contract l7 4.2.
 */
import type { HttpPolicy } from './http-policy.ts';
import { matchingHttpRule } from './match-http-policy.ts';
import type { RequestFacts } from './request-facts.ts';

const permit: unique symbol = Symbol('ambit.policy.requestPermit');

/** Which policy and rule decided; `policy` is Istio's identity text, `none` when no ALLOW matched. */
export interface RequestVerdict {
  /** `ns[<namespace>]-policy[<name>]-rule[<index>]` or `none`. */
  readonly policy: string;
  readonly dryRun: readonly DryRunVerdict[];
}

/** What a policy in dry run would have done. */
export interface DryRunVerdict {
  readonly policy: string;
  readonly action: 'allow' | 'deny';
  readonly isMatch: boolean;
}

/** The permit to route a request. Only `authorizeRequest` makes one. */
export interface RequestAdmitted {
  readonly kind: 'admitted';
  readonly verdict: RequestVerdict;
  readonly [permit]: true;
}

/** Answer 403 (HTTP), PERMISSION_DENIED (gRPC), or close (TCP). */
export interface RequestDenied {
  readonly kind: 'denied';
  /** For the access log: `rbac_access_denied_matched_policy[...]`. */
  readonly details: string;
  readonly verdict: RequestVerdict;
}

export type RequestAuthorization = RequestAdmitted | RequestDenied;

/** Body of the answer, and message of the gRPC status, that users and scripts know. */
export const deniedText = 'RBAC: access denied';

/** Policies of one listener or service, sorted by what they do; made once per configuration. */
export class HttpPolicySet {
  readonly deny: readonly HttpPolicy[];
  readonly allow: readonly HttpPolicy[];
  readonly audit: readonly HttpPolicy[];
  readonly dryRun: readonly HttpPolicy[];
  /** CUSTOM policies by provider, in the order of the providers' names. */
  readonly custom: ReadonlyMap<string, readonly HttpPolicy[]>;

  constructor(policies: readonly HttpPolicy[]) {
    const inForce = policies.filter((policy) => !policy.isDryRun);
    this.deny = inForce.filter((policy) => policy.action === 'deny');
    this.allow = inForce.filter((policy) => policy.action === 'allow');
    this.audit = inForce.filter((policy) => policy.action === 'audit');
    this.dryRun = policies.filter((policy) => policy.isDryRun);
    const byProvider = new Map<string, HttpPolicy[]>();
    for (const policy of inForce) {
      if (policy.action !== 'custom') continue;
      const provider = policy.provider ?? '';
      byProvider.set(provider, [...(byProvider.get(provider) ?? []), policy]);
    }
    this.custom = new Map([...byProvider].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Providers that have to be asked about this request, before anything else; claims are not known to their rules. */
  providersToAsk(facts: RequestFacts): readonly string[] {
    const asked: string[] = [];
    for (const [provider, policies] of this.custom) {
      if (policies.some((policy) => matchingHttpRule(policy, facts) !== undefined)) asked.push(provider);
    }
    return asked;
  }

  /** Identities of the AUDIT policies that match: for the log, without effect. */
  audited(facts: RequestFacts): readonly string[] {
    return this.audit.flatMap((policy) => {
      const rule = matchingHttpRule(policy, facts);
      return rule === undefined ? [] : [identityOf(policy, rule)];
    });
  }
}

/** DENY before ALLOW; without an ALLOW policy everything that is not denied passes. */
export function authorizeRequest(policies: HttpPolicySet, facts: RequestFacts): RequestAuthorization {
  const dryRun = policies.dryRun.length === 0 ? noVerdicts : dryRunVerdicts(policies.dryRun, facts);
  for (const policy of policies.deny) {
    const rule = matchingHttpRule(policy, facts);
    if (rule !== undefined) return denied(identityOf(policy, rule), dryRun);
  }
  if (policies.allow.length === 0) return admitted('none', dryRun);
  for (const policy of policies.allow) {
    const rule = matchingHttpRule(policy, facts);
    if (rule !== undefined) return admitted(identityOf(policy, rule), dryRun);
  }
  return denied('none', dryRun);
}

function identityOf(policy: HttpPolicy, rule: number): string {
  return `ns[${policy.namespace}]-policy[${policy.name}]-rule[${rule}]`;
}

function admitted(policy: string, dryRun: readonly DryRunVerdict[]): RequestAdmitted {
  return { kind: 'admitted', verdict: { policy, dryRun }, [permit]: true };
}

function denied(policy: string, dryRun: readonly DryRunVerdict[]): RequestDenied {
  return { kind: 'denied', details: `rbac_access_denied_matched_policy[${policy}]`, verdict: { policy, dryRun } };
}

function dryRunVerdicts(policies: readonly HttpPolicy[], facts: RequestFacts): readonly DryRunVerdict[] {
  return policies.flatMap((policy) => {
    if (policy.action !== 'allow' && policy.action !== 'deny') return [];
    const rule = matchingHttpRule(policy, facts);
    return [{ policy: identityOf(policy, rule ?? 0), action: policy.action, isMatch: rule !== undefined }];
  });
}

const noVerdicts: readonly DryRunVerdict[] = [];

import type { IpPrefix } from './ip-prefix.ts';
import type { StringMatcher } from './string-matcher.ts';

/** Which workloads a policy applies to. Spec: contract data-plane 6.2. */
export type PolicyScope = 'global' | 'namespace' | 'workload-selector';

/** What a matching policy does. */
export type PolicyAction = 'allow' | 'deny';

/** A service account of one namespace, in whatever trust domain. */
export interface ServiceAccountMatch {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/**
 * The innermost level: every list that is not empty must match (AND), inside a list any value
 * suffices (OR), a `not` list matches if none of its values does. All lists empty: never.
 */
export interface Match {
  readonly isEmpty: boolean;
  readonly namespaces: StringMatcher;
  readonly notNamespaces: StringMatcher;
  readonly principals: StringMatcher;
  readonly notPrincipals: StringMatcher;
  readonly serviceAccounts: readonly ServiceAccountMatch[];
  readonly notServiceAccounts: readonly ServiceAccountMatch[];
  readonly sourceIps: readonly IpPrefix[];
  readonly notSourceIps: readonly IpPrefix[];
  readonly destinationIps: readonly IpPrefix[];
  readonly notDestinationIps: readonly IpPrefix[];
  readonly destinationPorts: readonly number[];
  readonly notDestinationPorts: readonly number[];
}

/** Matches if any of its matches does; without matches it always does. */
export interface Clause {
  readonly matches: readonly Match[];
}

/** Matches if all of its clauses do; without clauses it always does. */
export interface Rule {
  readonly clauses: readonly Clause[];
}

/** A policy in the form in which it is evaluated. It matches if any rule does; without rules never. */
export interface Policy {
  readonly name: string;
  readonly namespace: string;
  readonly scope: PolicyScope;
  readonly action: PolicyAction;
  /** Evaluated and reported, but without effect on the outcome. */
  readonly dryRun: boolean;
  readonly rules: readonly Rule[];
}

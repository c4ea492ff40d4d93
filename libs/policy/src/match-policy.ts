/** Evaluation of one policy against one connection. Pure, no allocation. Spec: contract data-plane 6.4. */
import type { ConnectionContext, PeerIdentity } from './connection-context.ts';
import { type IpPrefix, prefixContains } from './ip-prefix.ts';
import type { Clause, Match, Policy, ServiceAccountMatch } from './policy.ts';

/** Returned by `matchingRule` when no rule matches. */
export const noRule = -1;

/** The index of the first rule that matches, or `noRule`. */
export function matchingRule(policy: Policy, context: ConnectionContext): number {
  const { rules } = policy;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i];
    if (rule !== undefined && allMatch(rule.clauses, context)) return i;
  }
  return noRule;
}

function allMatch(clauses: readonly Clause[], context: ConnectionContext): boolean {
  for (const clause of clauses) if (!clauseMatches(clause, context)) return false;
  return true;
}

function clauseMatches(clause: Clause, context: ConnectionContext): boolean {
  if (clause.matches.length === 0) return true;
  for (const match of clause.matches) {
    if (!match.isEmpty && matchMatches(match, context)) return true;
  }
  return false;
}

function matchMatches(match: Match, context: ConnectionContext): boolean {
  const { sourceIdentity: identity, destinationPort: port, sourceIp, destinationIp } = context;
  const namespace = identity?.namespace ?? '';
  return (
    (match.destinationPorts.length === 0 || match.destinationPorts.includes(port)) &&
    !match.notDestinationPorts.includes(port) &&
    (match.namespaces.size === 0 || match.namespaces.matches(namespace)) &&
    !match.notNamespaces.matches(namespace) &&
    (match.principals.size === 0 || principalMatches(match.principals, identity)) &&
    !principalMatches(match.notPrincipals, identity) &&
    (match.serviceAccounts.length === 0 || accountMatches(match.serviceAccounts, identity)) &&
    !accountMatches(match.notServiceAccounts, identity) &&
    (match.sourceIps.length === 0 || anyContains(match.sourceIps, sourceIp)) &&
    !anyContains(match.notSourceIps, sourceIp) &&
    (match.destinationIps.length === 0 || anyContains(match.destinationIps, destinationIp)) &&
    !anyContains(match.notDestinationIps, destinationIp)
  );
}

/** Without an identity nothing matches, not even presence: that is how STRICT is expressed. */
function principalMatches(matcher: Match['principals'], identity: PeerIdentity | undefined): boolean {
  return identity !== undefined && matcher.matches(identity.principal);
}

/** The trust domain is ignored here, as in Istio's ztunnel. */
function accountMatches(accounts: readonly ServiceAccountMatch[], identity: PeerIdentity | undefined): boolean {
  if (identity === undefined) return false;
  for (const account of accounts) {
    if (account.namespace === identity.namespace && account.serviceAccount === identity.serviceAccount) {
      return true;
    }
  }
  return false;
}

function anyContains(prefixes: readonly IpPrefix[], address: Uint8Array): boolean {
  for (const prefix of prefixes) if (prefixContains(prefix, address)) return true;
  return false;
}

/** Policies in the words of the admin dump, from the resource as it was received. Pure. Istio: contract data-plane 7.5. */
import { security } from '@ambit/api';
import { formatIp } from '@ambit/net';
import type { Json } from './dump-workload.ts';

const SCOPES: Readonly<Record<security.Scope, string>> = {
  [security.Scope.GLOBAL]: 'Global',
  [security.Scope.NAMESPACE]: 'Namespace',
  [security.Scope.WORKLOAD_SELECTOR]: 'WorkloadSelector',
};

/** `rules` is an array of rules of clauses of matches; an empty match is `{}`. */
export function dumpPolicy(policy: security.Authorization): Json {
  return {
    name: policy.name,
    namespace: policy.namespace,
    scope: SCOPES[policy.scope] ?? String(policy.scope),
    action: policy.action === security.Action.DENY ? 'Deny' : 'Allow',
    rules: policy.rules.map((rule) => rule.clauses.map((clause) => clause.matches.map(dumpMatch))),
    dryRun: policy.dryRun,
  };
}

function dumpMatch(match: security.Match): Json {
  const fields: Readonly<Record<string, readonly Json[]>> = {
    namespaces: match.namespaces.map(stringMatch),
    notNamespaces: match.notNamespaces.map(stringMatch),
    principals: match.principals.map(stringMatch),
    notPrincipals: match.notPrincipals.map(stringMatch),
    serviceAccounts: match.serviceAccounts.map(serviceAccount),
    notServiceAccounts: match.notServiceAccounts.map(serviceAccount),
    sourceIps: match.sourceIps.map(prefix),
    notSourceIps: match.notSourceIps.map(prefix),
    destinationIps: match.destinationIps.map(prefix),
    notDestinationIps: match.notDestinationIps.map(prefix),
    destinationPorts: match.destinationPorts,
    notDestinationPorts: match.notDestinationPorts,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, values]) => values.length > 0));
}

function stringMatch(match: security.StringMatch): Json {
  const { matchType } = match;
  switch (matchType.case) {
    case 'exact':
      return { Exact: matchType.value };
    case 'prefix':
      return { Prefix: matchType.value };
    case 'suffix':
      return { Suffix: matchType.value };
    case 'presence':
      return { Presence: [] };
    case undefined:
      return {};
  }
}

function serviceAccount(match: security.ServiceAccountMatch): Json {
  return { namespace: match.namespace, serviceAccount: match.serviceAccount };
}

function prefix(address: security.Address): Json {
  return `${formatIp(address.address)}/${address.length}`;
}

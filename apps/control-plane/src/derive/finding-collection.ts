import { type Collection, compareText, derive, type Graph, type Index, join } from '@ambit/collections';
import {
  type AuthorizationPolicy,
  formatLocation,
  formatReport,
  type PeerAuthentication,
  type Pod,
  resourceName,
  type SourceReport,
} from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshSources } from './mesh-sources.ts';
import { hasWorkload } from './pod-workload.ts';
import type { PeerLevels } from './peer-levels.ts';
import { type KnownNames, peerFindings, policyFindings } from './policy-findings.ts';

/** Warnings about resources that are valid one by one but surely not meant like this together. */
export function findingCollection(
  graph: Graph,
  sources: MeshSources,
  peers: PeerLevels,
  namesOf: (context: MeshReads) => KnownNames,
  settings: MeshSettings,
): Collection<SourceReport> {
  const policies = derive<AuthorizationPolicy, SourceReport>(graph, {
    name: 'policy-findings',
    from: sources.AuthorizationPolicy,
    keyOf: formatReport,
    transform: (policy, context) => policyFindings(policy, namesOf(context), settings),
  });
  const peerReports = derive<PeerAuthentication, SourceReport>(graph, {
    name: 'peer-findings',
    from: sources.PeerAuthentication,
    keyOf: formatReport,
    transform: (peer, context) => peerFindings(peer, peers.inherited(context, peer.metadata.namespace), settings),
  });
  const conflicts = settings.findsAddressConflicts ? [addressFindings(graph, sources)] : [];
  return join<SourceReport>(graph, 'object-findings', [policies, peerReports, ...conflicts]);
}

/** Names there are, to be asked through the reads of a derivation. */
export function knownNames(sources: MeshSources, podsByNamespace: Index<Pod>): (context: MeshReads) => KnownNames {
  const podsByAccount = sources.Pod.index('by-service-account', (pod) => [
    `${pod.metadata.namespace}/${pod.spec.serviceAccountName}`,
  ]);
  const entriesByAccount = sources.WorkloadEntry.index('by-service-account', (entry) =>
    entry.spec.serviceAccount === undefined ? [] : [`${entry.metadata.namespace}/${entry.spec.serviceAccount}`],
  );
  return (context) => ({
    hasNamespace: (name) =>
      context.get(sources.Namespace, name) !== undefined || context.lookup(podsByNamespace, name).length > 0,
    hasServiceAccount: (namespace, account) => {
      const name = `${namespace}/${account}`;
      return (
        context.get(sources.ServiceAccount, name) !== undefined ||
        context.lookup(podsByAccount, name).length > 0 ||
        context.lookup(entriesByAccount, name).length > 0
      );
    },
  });
}

/** Two pods that claim one address: ztunnel can attribute traffic to one of them only. */
function addressFindings(graph: Graph, sources: MeshSources): Collection<SourceReport> {
  const byAddress = sources.Pod.index('by-address', (pod) => (claimsAddresses(pod) ? pod.status.podIPs : []));
  return derive<Pod, SourceReport>(graph, {
    name: 'address-findings',
    from: sources.Pod,
    keyOf: formatReport,
    transform: (pod, context) => {
      if (!claimsAddresses(pod)) return [];
      return pod.status.podIPs.flatMap((address) => {
        const [first] = context
          .lookup(byAddress, address)
          .toSorted((a, b) => compareText(resourceName(a), resourceName(b)));
        if (first === undefined || first === pod) return [];
        const other = `Pod ${resourceName(first)} (${formatLocation(first.origin)})`;
        const message = `Pod ${resourceName(pod)} has address ${address}, which ${other} has too; give one of them another address`;
        return [{ severity: 'warning', code: 'suspicious', location: pod.origin, message } satisfies SourceReport];
      });
    },
  });
}

function claimsAddresses(pod: Pod): boolean {
  return hasWorkload(pod) && !pod.spec.hostNetwork;
}

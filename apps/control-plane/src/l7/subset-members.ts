import { type Collection, compareText, derive, type FetchContext, type Graph, type Index } from '@ambit/collections';
import { type DestinationRule, type Labels, matchesLabels, type Pod, resourceName } from '@ambit/kube';
import { inlineEndpoints, workloadEntryLabels } from '../derive/entry-workload.ts';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { hasWorkload, podUid } from '../derive/pod-workload.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { coversHost, fullHost } from './host-names.ts';

/** The workloads of one service that belong to one subset. */
export interface SubsetMembers {
  readonly key: string;
  /** Sorted. */
  readonly uids: readonly string[];
}

export function membersKey(rule: string, subset: string, serviceKey: string): string {
  return `${rule}|${subset}|${serviceKey}`;
}

/** The workloads with one label, `key=value`, as if they were a subset. No subset has such a name. */
export function labelSubset(label: string): string {
  return `label ${label}`;
}

/** Subsets as written, and one for each label that a preference names. */
function subsetsOf({ spec }: DestinationRule): readonly { readonly name: string; readonly labels: Labels }[] {
  const policies = [spec.policy, ...spec.subsets.map(({ policy }) => policy)].flatMap((policy) =>
    policy === undefined ? [] : [policy, ...policy.ports],
  );
  const named = policies.flatMap(({ balancer }) => balancer?.locality?.failoverPriority ?? []);
  const labels = [...new Set(named)].flatMap((label) => {
    const at = label.indexOf('=');
    return at < 1 ? [] : [{ name: labelSubset(label), labels: { [label.slice(0, at)]: label.slice(at + 1) } }];
  });
  return [...spec.subsets, ...labels];
}

/** A collection of its own, so that a pod that comes or goes does not make routes be derived again. */
export function subsetMembers(
  graph: Graph,
  sources: MeshSources,
  services: Collection<MeshService>,
  settings: MeshSettings,
): Collection<SubsetMembers> {
  const byHostname = services.index('by-hostname', ({ candidate }) => [candidate.hostname]);
  // Made when the first subset needs it: it holds every pod.
  let podsByNamespace: Index<Pod> | undefined;
  const entriesByNamespace = sources.WorkloadEntry.index('by-namespace', (entry) => [entry.metadata.namespace]);
  const uidsOf = (context: FetchContext, { candidate }: MeshService, labels: Labels): readonly string[] => {
    const { namespace, selector, source, name } = candidate;
    const uids: string[] = [];
    if (Object.keys(selector).length > 0) {
      podsByNamespace ??= sources.Pod.index('by-namespace', (pod) => [pod.metadata.namespace]);
      for (const pod of context.lookup(podsByNamespace, namespace)) {
        const own = pod.metadata.labels;
        if (!hasWorkload(pod) || !matchesLabels(selector, own) || !matchesLabels(labels, own)) continue;
        uids.push(podUid(pod, settings));
      }
      for (const entry of context.lookup(entriesByNamespace, namespace)) {
        const own = workloadEntryLabels(entry);
        if (!matchesLabels(selector, own) || !matchesLabels(labels, own)) continue;
        uids.push(`${settings.clusterId}/networking.istio.io/WorkloadEntry/${namespace}/${entry.metadata.name}`);
      }
    }
    const entry = source === 'ServiceEntry' ? context.get(sources.ServiceEntry, `${namespace}/${name}`) : undefined;
    for (const { spec } of entry === undefined ? [] : inlineEndpoints(entry)) {
      if (!matchesLabels(labels, spec.labels)) continue;
      uids.push(`${settings.clusterId}/networking.istio.io/ServiceEntry/${namespace}/${name}/${spec.address}`);
    }
    return uids.toSorted(compareText);
  };
  return derive<DestinationRule, SubsetMembers>(graph, {
    name: 'subset-members',
    from: sources.DestinationRule,
    keyOf: ({ key }) => key,
    transform: (rule, context) => {
      const subsets = subsetsOf(rule);
      if (subsets.length === 0) return [];
      const host = fullHost(rule.spec.host, rule.metadata.namespace, settings);
      const found = host.startsWith('*')
        ? context.all(services).filter(({ candidate }) => coversHost(host, candidate.hostname))
        : context.lookup(byHostname, host);
      return found.flatMap((service) =>
        subsets.map(({ name, labels }) => ({
          key: membersKey(resourceName(rule), name, service.key),
          uids: uidsOf(context, service, labels),
        })),
      );
    },
  });
}

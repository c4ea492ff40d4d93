import { type Collection, compareText, derive, type FetchContext, type Graph, type Index } from '@ambit/collections';
import { type DestinationRule, type Labels, matchesLabels, type Pod, resourceName } from '@ambit/kube';
import { inlineEndpoints, workloadEntryLabels } from '../derive/entry-workload.ts';
import type { MeshService } from '../derive/mesh-service.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import { hasWorkload, podUid } from '../derive/pod-workload.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { coversHost, fullHost } from './host-names.ts';
import { isPlaceLabel } from './locality.ts';

/** The workloads of one service that belong to one subset. */
export interface SubsetMembers {
  readonly key: string;
  /** Sorted. */
  readonly uids: readonly string[];
}

export function membersKey(rule: string, subset: string, serviceKey: string): string {
  return `${rule}|${subset}|${serviceKey}`;
}

/** The workloads with one label, `key=value`, as if they were a subset; with a bare `key`: those without it. No subset has such a name. */
export function labelSubset(label: string): string {
  return `label ${label}`;
}

interface Member {
  readonly uid: string;
  readonly labels: Labels;
}

interface MemberGroup {
  readonly name: string;
  readonly members: readonly Member[];
}

/** Labels that preferences name: `key=value`, or a key whose value is to be that of the proxy. */
function preferredLabels({ spec }: DestinationRule): readonly string[] {
  const policies = [spec.policy, ...spec.subsets.map(({ policy }) => policy)].flatMap((policy) =>
    policy === undefined ? [] : [policy, ...policy.ports],
  );
  const named = policies.flatMap(({ balancer }) => balancer?.locality?.failoverPriority ?? []);
  return [...new Set(named)].filter((label) => !isPlaceLabel(label));
}

/** Subsets as written, and one for each label and value that a preference may mean. */
function groupsOf(rule: DestinationRule, labels: readonly string[], all: readonly Member[]): readonly MemberGroup[] {
  const subsets = rule.spec.subsets.map((subset) => ({
    name: subset.name,
    members: all.filter((member) => matchesLabels(subset.labels, member.labels)),
  }));
  const byLabel = labels.flatMap((label): readonly MemberGroup[] => {
    const at = label.indexOf('=');
    if (at > 0) {
      const [key, value] = [label.slice(0, at), label.slice(at + 1)];
      return [{ name: labelSubset(label), members: all.filter((member) => member.labels[key] === value) }];
    }
    const values = new Map<string | undefined, Member[]>([[undefined, []]]);
    for (const member of all) {
      const value = member.labels[label];
      values.set(value, [...(values.get(value) ?? []), member]);
    }
    return [...values].map(([value, members]) => ({
      name: labelSubset(value === undefined ? label : `${label}=${value}`),
      members,
    }));
  });
  return [...new Map([...subsets, ...byLabel].map((group) => [group.name, group])).values()];
}

/** A collection of its own, so that a pod that comes or goes does not make routes be derived again. */
export function subsetMembers(
  graph: Graph,
  objects: MeshObjects,
  services: Collection<MeshService>,
  settings: MeshSettings,
): Collection<SubsetMembers> {
  const byHostname = services.index('by-hostname', ({ candidate }) => [candidate.hostname]);
  // Made when the first subset needs it: it holds every pod.
  let podsByNamespace: Index<Pod> | undefined;
  const entriesByNamespace = objects.WorkloadEntry.index('by-namespace', (entry) => [entry.metadata.namespace]);
  const membersOf = (context: FetchContext, { candidate }: MeshService): readonly Member[] => {
    const { namespace, selector, source, name } = candidate;
    const members: Member[] = [];
    if (Object.keys(selector).length > 0) {
      podsByNamespace ??= objects.Pod.index('by-namespace', (pod) => [pod.metadata.namespace]);
      for (const pod of context.lookup(podsByNamespace, namespace)) {
        const own = pod.metadata.labels;
        if (hasWorkload(pod) && matchesLabels(selector, own)) members.push({ uid: podUid(pod, settings), labels: own });
      }
      for (const entry of context.lookup(entriesByNamespace, namespace)) {
        const own = workloadEntryLabels(entry);
        if (!matchesLabels(selector, own)) continue;
        const uid = `${settings.clusterId}/networking.istio.io/WorkloadEntry/${namespace}/${entry.metadata.name}`;
        members.push({ uid, labels: own });
      }
    }
    const entry = source === 'ServiceEntry' ? context.get(objects.ServiceEntry, `${namespace}/${name}`) : undefined;
    for (const { spec } of entry === undefined ? [] : inlineEndpoints(entry)) {
      const uid = `${settings.clusterId}/networking.istio.io/ServiceEntry/${namespace}/${name}/${spec.address}`;
      members.push({ uid, labels: spec.labels });
    }
    return members;
  };
  return derive<DestinationRule, SubsetMembers>(graph, {
    name: 'subset-members',
    from: objects.DestinationRule,
    keyOf: ({ key }) => key,
    transform: (rule, context) => {
      const labels = preferredLabels(rule);
      if (rule.spec.subsets.length + labels.length === 0) return [];
      const host = fullHost(rule.spec.host, rule.metadata.namespace, settings);
      const found = host.startsWith('*')
        ? context.all(services).filter(({ candidate }) => coversHost(host, candidate.hostname))
        : context.lookup(byHostname, host);
      return found.flatMap((service) =>
        groupsOf(rule, labels, membersOf(context, service)).map(({ name, members }) => ({
          key: membersKey(resourceName(rule), name, service.key),
          uids: members.map(({ uid }) => uid).toSorted(compareText),
        })),
      );
    },
  });
}

/** Which of the chart's profiles fits a cluster, by what its nodes say of themselves. Pure. */
import type { ClusterFacts } from './cluster-facts.ts';

/** Name of a file in `charts/ambit/profiles`; undefined where the defaults fit. */
export function profileFor(facts: Pick<ClusterFacts, 'nodes' | 'groups'>): string | undefined {
  const { nodes, groups } = facts;
  if (groups.has('security.openshift.io') || groups.has('config.openshift.io')) return 'openshift';
  if (nodes.some(({ kubelet }) => kubelet.includes('+k3s'))) return 'k3s';
  if (nodes.some(({ kubelet }) => kubelet.includes('-gke.'))) return 'gke';
  if (nodes.some(({ provider }) => provider.startsWith('kind://'))) return 'kind';
  return undefined;
}

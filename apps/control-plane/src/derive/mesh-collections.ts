import { type Collection, Graph, join, singleton } from '@ambit/collections';
import type { SourceReport } from '@ambit/kube';
import { type L7Collections, l7Collections } from '../l7/l7-collections.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { ConditionJudge } from './condition-judge.ts';
import { findingCollection, knownNames } from './finding-collection.ts';
import type { MeshPolicy } from './mesh-policy.ts';
import { MeshReview } from './mesh-review.ts';
import type { MeshService } from './mesh-service.ts';
import { meshObjects } from './mesh-objects.ts';
import { type MeshSources, meshSources } from './mesh-sources.ts';
import { haveSameBytes, type MeshWorkload } from './mesh-workload.ts';
import { pastWaypointPolicies } from './past-waypoint.ts';
import { GoverningPolicies } from './governing-policies.ts';
import { PeerLevels } from './peer-levels.ts';
import { emptySelections } from './policy-selections.ts';
import { policyCollections } from './policy-collections.ts';
import { serviceCollections } from './service-collections.ts';
import { statusCollections } from './status-collections.ts';
import type { StatusWrite } from './status-write.ts';
import { WaypointDirectory } from './waypoint-directory.ts';
import { workloadCollection } from './workload-collections.ts';

/** Everything that is derived from the sources, kept up to date. */
export interface MeshCollections {
  readonly graph: Graph;
  readonly sources: MeshSources;
  /** By UID. */
  readonly workloads: Collection<MeshWorkload>;
  /** By `namespace/hostname`. */
  readonly services: Collection<MeshService>;
  /** By `namespace/name`. */
  readonly policies: Collection<MeshPolicy>;
  /** Statuses that are still to be written, by `statusWriteKey`. */
  readonly statuses: Collection<StatusWrite>;
  /** Warnings that need more than one resource to be seen. */
  readonly findings: Collection<SourceReport>;
  /** What L7 proxies are told. */
  readonly l7: L7Collections;
  /** For objects that are not in the mesh yet. */
  readonly review: MeshReview;
}

export function meshCollections(settings: MeshSettings): MeshCollections {
  const graph = new Graph();
  const sources = meshSources(graph, settings);
  const objects = meshObjects(graph, sources);
  const peers = new PeerLevels(graph, objects, settings);
  const network = meshNetwork(graph, sources, settings);
  const waypoints = new WaypointDirectory(graph, sources, new GoverningPolicies(objects, settings), network, settings);
  const services = serviceCollections(graph, { sources, network, waypoints, settings });
  const policies = policyCollections(graph, objects, peers, waypoints, settings);
  const workloads = workloadCollection(graph, { sources, network, waypoints, services, policies, settings });
  const closing = pastWaypointPolicies(graph, services.services, workloads, waypoints, settings);
  const podsByNamespace = sources.Pod.index('by-namespace', (pod) => [pod.metadata.namespace]);
  const namesOf = knownNames(sources, podsByNamespace);
  const findings = findingCollection(graph, sources, peers, namesOf, settings);
  const judge = new ConditionJudge(
    sources,
    waypoints,
    emptySelections(graph, { sources, podsByNamespace, settings }),
    settings,
  );
  const statuses = statusCollections(graph, sources, judge);
  const l7 = l7Collections(graph, { sources, objects, services: services.services, settings });
  return {
    graph,
    sources,
    workloads,
    services: services.services,
    policies: join<MeshPolicy>(graph, 'all-policies', [policies.policies, ...closing], haveSameBytes),
    statuses: join<StatusWrite>(graph, 'all-statuses', [statuses.writes, l7.statuses]),
    findings: join<SourceReport>(graph, 'findings', [findings, statuses.findings, l7.findings]),
    l7,
    review: new MeshReview({ judge, peers, namesOf, settings }),
  };
}

/** One item, under the singleton key: the network of the cluster, from the label of the root namespace. */
function meshNetwork(graph: Graph, sources: MeshSources, settings: MeshSettings): Collection<string> {
  return singleton(
    graph,
    'network',
    (context) =>
      context.get(sources.Namespace, settings.rootNamespace)?.metadata.labels['topology.istio.io/network'] ?? '',
  );
}

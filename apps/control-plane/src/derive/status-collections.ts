import { type Collection, derive, type Graph, join, singleton } from '@ambit/collections';
import type { SourceReport } from '@ambit/kube';
import { addressWrites } from './address-writes.ts';
import type { ConditionJudge, JudgedResource } from './condition-judge.ts';
import type { MeshSources } from './mesh-sources.ts';
import { verdictCollections } from './object-verdicts.ts';
import { type StatusWrite, statusWriteKey } from './status-write.ts';

export interface StatusCollections {
  /** Statuses that are still to be written, by `statusWriteKey`. Spec: control-plane.md sections 3.5 and 4.4. */
  readonly writes: Collection<StatusWrite>;
  /** A warning for each condition that says that something asked for is not in force at a waypoint. */
  readonly findings: Collection<SourceReport>;
}

export function statusCollections(graph: Graph, sources: MeshSources, judge: ConditionJudge): StatusCollections {
  const judged: readonly Collection<JudgedResource>[] = [
    sources.AuthorizationPolicy,
    sources.PeerAuthentication,
    sources.RateLimitPolicy,
    sources.RequestAuthentication,
    sources.Service,
    sources.ServiceEntry,
    sources.WorkloadEntry,
  ];
  const { writes, findings } = verdictCollections(graph, 'condition', judged, (resource, context) =>
    judge.conditionsOf(resource, context),
  );
  return { writes: join<StatusWrite>(graph, 'statuses', [writes, addresses(graph, sources)]), findings };
}

/** Addresses depend on those of all entries, so they are computed as one. */
function addresses(graph: Graph, sources: MeshSources): Collection<StatusWrite> {
  const all = singleton<readonly StatusWrite[]>(graph, 'address-allocation', (context) =>
    addressWrites(context.all(sources.ServiceEntry)),
  );
  return derive<readonly StatusWrite[], StatusWrite>(graph, {
    name: 'address-statuses',
    from: all,
    keyOf: statusWriteKey,
    transform: (writes) => writes,
  });
}

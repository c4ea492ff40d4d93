import { isDeepStrictEqual } from 'node:util';
import { type Collection, derive, type Graph, join, singleton } from '@ambit/collections';
import { formatReport, type Location, type ObjectMeta, type SourceReport, type StatusCondition } from '@ambit/kube';
import { addressWrites } from './address-writes.ts';
import type { ConditionJudge, JudgedResource } from './condition-judge.ts';
import type { MeshSources } from './mesh-sources.ts';
import {
  conditionWrites,
  type DesiredCondition,
  type StatusKind,
  type StatusWrite,
  statusWriteKey,
} from './status-write.ts';

/** What the conditions of an object should say. */
interface Verdict {
  readonly kind: StatusKind;
  readonly metadata: ObjectMeta;
  readonly origin: Location;
  readonly present: readonly StatusCondition[];
  readonly conditions: readonly DesiredCondition[];
}

export interface StatusCollections {
  /** Statuses that are still to be written, by `statusWriteKey`. Spec: control-plane.md sections 3.5 and 4.4. */
  readonly writes: Collection<StatusWrite>;
  /** A warning for each condition that says that something asked for is not in force at a waypoint. */
  readonly findings: Collection<SourceReport>;
}

export function statusCollections(graph: Graph, sources: MeshSources, judge: ConditionJudge): StatusCollections {
  const judged = [
    sources.AuthorizationPolicy,
    sources.RateLimitPolicy,
    sources.RequestAuthentication,
    sources.Service,
    sources.ServiceEntry,
    sources.WorkloadEntry,
  ];
  const verdicts = join<Verdict>(
    graph,
    'verdicts',
    judged.map((from: Collection<JudgedResource>) =>
      derive<JudgedResource, Verdict>(graph, {
        name: `${from.name}-verdicts`,
        from,
        keyOf: ({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`,
        transform: (resource, context) => verdict(resource, judge.conditionsOf(resource, context)),
        isEqual: isSameVerdict,
      }),
    ),
    isSameVerdict,
  );
  const conditions = derive<Verdict, StatusWrite>(graph, {
    name: 'condition-writes',
    from: verdicts,
    keyOf: statusWriteKey,
    transform: ({ kind, metadata, present, conditions: desired }) => conditionWrites(kind, metadata, present, desired),
  });
  const findings = derive<Verdict, SourceReport>(graph, {
    name: 'condition-findings',
    from: verdicts,
    keyOf: formatReport,
    transform: (item) => conditionFindings(item, item.conditions),
  });
  return { writes: join<StatusWrite>(graph, 'statuses', [conditions, addresses(graph, sources)]), findings };
}

/** Objects without a condition, wanted or present, have no verdict. */
function verdict(resource: JudgedResource, conditions: readonly DesiredCondition[]): readonly Verdict[] {
  const { kind, metadata, origin, status } = resource;
  if (conditions.length === 0 && status.conditions.length === 0) return [];
  return [{ kind, metadata, origin, present: status.conditions, conditions }];
}

function isSameVerdict(a: Verdict, b: Verdict): boolean {
  return a.metadata === b.metadata && a.present === b.present && isDeepStrictEqual(a.conditions, b.conditions);
}

/** Conditions that say that a waypoint does not do what was asked for. What ztunnel does is told by `policyFindings`. */
export function conditionFindings(
  { kind, metadata, origin }: Pick<Verdict, 'kind' | 'metadata' | 'origin'>,
  conditions: readonly DesiredCondition[],
): readonly SourceReport[] {
  return conditions.flatMap(({ type, status, reason, message }) => {
    const isAmiss =
      (type === 'istio.io/WaypointBound' && status === 'False') ||
      type === 'istio.io/WaypointMissing' ||
      type === 'ambit.dev/WaypointConfigured' ||
      type === 'ambit.dev/FieldsInForce' ||
      (type === 'WaypointAccepted' && reason !== 'Accepted');
    if (!isAmiss) return [];
    const text = `${kind} ${metadata.namespace}/${metadata.name}: ${message}`;
    return [{ severity: 'warning', code: 'suspicious', location: origin, message: text } satisfies SourceReport];
  });
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

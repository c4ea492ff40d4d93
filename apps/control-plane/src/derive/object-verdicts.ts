/** What the conditions of objects should say, turned into the statuses that are to be written and into findings. */
import { isDeepStrictEqual } from 'node:util';
import { type Collection, derive, type FetchContext, type Graph, join } from '@ambit/collections';
import { formatReport, type Location, type ObjectMeta, type SourceReport, type StatusCondition } from '@ambit/kube';
import {
  conditionWrites,
  type DesiredCondition,
  type StatusKind,
  type StatusWrite,
  statusWriteKey,
} from './status-write.ts';

/** An object whose conditions the control plane writes. */
export interface ConditionedObject {
  readonly kind: StatusKind;
  readonly metadata: ObjectMeta;
  readonly origin: Location;
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

/** What verdicts come to; both follow the objects and whatever the judge reads. */
export interface VerdictCollections {
  /** Statuses that are still to be written, by `statusWriteKey`. */
  readonly writes: Collection<StatusWrite>;
  /** A warning for each condition that says that something asked for is not in force at a waypoint. */
  readonly findings: Collection<SourceReport>;
}

interface Verdict {
  readonly kind: StatusKind;
  readonly metadata: ObjectMeta;
  readonly origin: Location;
  readonly present: readonly StatusCondition[];
  readonly conditions: readonly DesiredCondition[];
}

/**
 * Judges every object of the sources. `judge` is pure, as every transformation, and gives all the conditions that the object
 * should have from the control plane; `name` goes in front of the names of the collections.
 */
export function verdictCollections<O extends ConditionedObject>(
  graph: Graph,
  name: string,
  sources: readonly Collection<O>[],
  judge: (object: O, context: FetchContext) => readonly DesiredCondition[],
): VerdictCollections {
  const verdicts = join<Verdict>(
    graph,
    `${name}-verdicts`,
    sources.map((from) =>
      derive<O, Verdict>(graph, {
        name: `${name}-${from.name}-verdicts`,
        from,
        keyOf: ({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`,
        transform: (object, context) => verdict(object, judge(object, context)),
        isEqual: isSameVerdict,
      }),
    ),
    isSameVerdict,
  );
  return {
    writes: derive<Verdict, StatusWrite>(graph, {
      name: `${name}-writes`,
      from: verdicts,
      keyOf: statusWriteKey,
      transform: ({ kind, metadata, present, conditions }) => conditionWrites(kind, metadata, present, conditions),
    }),
    findings: derive<Verdict, SourceReport>(graph, {
      name: `${name}-findings`,
      from: verdicts,
      keyOf: formatReport,
      transform: (item) => conditionFindings(item, item.conditions),
    }),
  };
}

/** Objects without a condition, wanted or present, have no verdict. */
function verdict(object: ConditionedObject, conditions: readonly DesiredCondition[]): readonly Verdict[] {
  const { kind, metadata, origin, status } = object;
  if (conditions.length === 0 && status.conditions.length === 0) return [];
  return [{ kind, metadata, origin, present: status.conditions, conditions }];
}

function isSameVerdict(a: Verdict, b: Verdict): boolean {
  return a.metadata === b.metadata && a.present === b.present && isDeepStrictEqual(a.conditions, b.conditions);
}

/** Conditions that say that a waypoint does not do what was asked for. What ztunnel does is told by `policyFindings`. */
export function conditionFindings(
  { kind, metadata, origin }: Pick<ConditionedObject, 'kind' | 'metadata' | 'origin'>,
  conditions: readonly DesiredCondition[],
): readonly SourceReport[] {
  return conditions.flatMap(({ type, status, reason, message }) => {
    const isAmiss =
      (type === 'istio.io/WaypointBound' && status === 'False') ||
      type === 'istio.io/WaypointMissing' ||
      type === 'ambit.dev/WaypointConfigured' ||
      type === 'ambit.dev/FieldsInForce' ||
      type === 'ambit.dev/KeysFetched' ||
      type === 'ambit.dev/SelectsWorkloads' ||
      (type === 'WaypointAccepted' && reason !== 'Accepted');
    if (!isAmiss) return [];
    const text = `${kind} ${metadata.namespace}/${metadata.name}: ${message}`;
    return [{ severity: 'warning', code: 'suspicious', location: origin, message: text } satisfies SourceReport];
  });
}

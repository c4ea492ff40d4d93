/**
 * What of a VirtualService, DestinationRule or Telemetry is set and not in force, on the object's own status: a field that is
 * silently ignored is found out by an outage. Written only where proxies of ours are, and only while there is something to say.
 */
import { type Collection, derive, type Graph, join } from '@ambit/collections';
import {
  type DestinationRule,
  formatReport,
  type SourceReport,
  type Telemetry,
  type VirtualService,
} from '@ambit/kube';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { fieldConditions } from '../derive/policy-conditions.ts';
import { conditionFindings } from '../derive/status-collections.ts';
import { conditionWrites, type DesiredCondition, type StatusWrite, statusWriteKey } from '../derive/status-write.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import type { L7Gateway } from './l7-gateway.ts';
import { destinationRuleProblems } from './destination-rule-problems.ts';
import { telemetryProblems } from './telemetry-problems.ts';
import { virtualServiceProblems } from './virtual-service-findings.ts';

type Judged = VirtualService | DestinationRule | Telemetry;

export interface FieldStatuses {
  readonly statuses: Collection<StatusWrite>;
  readonly findings: Collection<SourceReport>;
}

interface Verdict {
  readonly object: Judged;
  readonly conditions: readonly DesiredCondition[];
}

/** Index value of all gateways of ours. */
const anywhere = '';

export function fieldStatuses(
  graph: Graph,
  sources: MeshSources,
  gateways: Collection<L7Gateway>,
  settings: MeshSettings,
): FieldStatuses {
  const { ownControllers } = settings;
  const own = gateways.index('own', ({ controllerName }) =>
    ownControllers.includes(controllerName) ? [anywhere] : [],
  );
  const verdictsOf = (from: Collection<Judged>): Collection<Verdict> =>
    derive<Judged, Verdict>(graph, {
      name: `${from.name}-field-verdicts`,
      from,
      keyOf: ({ object: { kind, metadata } }) => `${kind}/${metadata.namespace}/${metadata.name}`,
      transform: (object, context) => {
        const problems = problemsOf(object, settings);
        const isMet = problems.length > 0 && context.lookup(own, anywhere).length > 0;
        const conditions = isMet ? fieldConditions(object.metadata, problems) : [];
        return conditions.length + object.status.conditions.length === 0 ? [] : [{ object, conditions }];
      },
      isEqual: () => false,
    });
  const verdicts = join<Verdict>(graph, 'field-verdicts', [
    verdictsOf(sources.VirtualService),
    verdictsOf(sources.DestinationRule),
    verdictsOf(sources.Telemetry),
  ]);
  return {
    statuses: derive<Verdict, StatusWrite>(graph, {
      name: 'field-statuses',
      from: verdicts,
      keyOf: statusWriteKey,
      transform: ({ object: { kind, metadata, status }, conditions }) =>
        conditionWrites(kind, metadata, status.conditions, conditions),
    }),
    findings: derive<Verdict, SourceReport>(graph, {
      name: 'field-findings',
      from: verdicts,
      keyOf: formatReport,
      transform: ({ object, conditions }) => conditionFindings(object, conditions),
    }),
  };
}

/** In the order of the object; empty when all of it is in force. */
function problemsOf(object: Judged, settings: MeshSettings): readonly string[] {
  const unhonoured = object.unhonoured.map((field) => `${field.replace(/^spec\./, '')} has no effect`);
  switch (object.kind) {
    case 'VirtualService':
      return [...virtualServiceProblems(object), ...unhonoured];
    case 'DestinationRule':
      return [...destinationRuleProblems(object), ...unhonoured];
    case 'Telemetry':
      return [...telemetryProblems(object, settings), ...unhonoured];
  }
}

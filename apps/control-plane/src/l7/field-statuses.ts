/**
 * What of a VirtualService, DestinationRule or Telemetry is set and not in force, on the object's own status: a field that is
 * silently ignored is found out by an outage. Written only where proxies of ours are, and only while there is something to say.
 */
import type { Collection, Graph } from '@ambit/collections';
import type { DestinationRule, Telemetry, VirtualService } from '@ambit/kube';
import type { MeshSources } from '../derive/mesh-sources.ts';
import { type VerdictCollections, verdictCollections } from '../derive/object-verdicts.ts';
import { fieldConditions } from '../derive/policy-conditions.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { destinationRuleProblems } from './destination-rule-problems.ts';
import type { L7Gateway } from './l7-gateway.ts';
import { telemetryProblems } from './telemetry-problems.ts';
import { virtualServiceProblems } from './virtual-service-findings.ts';

type Judged = VirtualService | DestinationRule | Telemetry;

/** Index value of all gateways of ours. */
const anywhere = '';

export function fieldStatuses(
  graph: Graph,
  sources: MeshSources,
  gateways: Collection<L7Gateway>,
  settings: MeshSettings,
): VerdictCollections {
  const { ownControllers } = settings;
  const own = gateways.index('own', ({ controllerName }) =>
    ownControllers.includes(controllerName) ? [anywhere] : [],
  );
  const judged: readonly Collection<Judged>[] = [sources.VirtualService, sources.DestinationRule, sources.Telemetry];
  return verdictCollections(graph, 'field', judged, (object, context) => {
    const problems = problemsOf(object, settings);
    const isMet = problems.length > 0 && context.lookup(own, anywhere).length > 0;
    return isMet ? fieldConditions(object.metadata, problems) : [];
  });
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

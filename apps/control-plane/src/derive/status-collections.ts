import { isDeepStrictEqual } from 'node:util';
import { type Collection, derive, type FetchContext, type Graph, join, singleton } from '@ambit/collections';
import {
  type AuthorizationPolicy,
  formatReport,
  type Location,
  type ObjectMeta,
  type Service,
  type ServiceEntry,
  type SourceReport,
  type StatusCondition,
  type WorkloadEntry,
} from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { addressWrites } from './address-writes.ts';
import { entryConditions, serviceConditions, workloadConditions } from './binding-conditions.ts';
import { workloadEntryLabels } from './entry-workload.ts';
import { isMeshService } from './kubernetes-service.ts';
import type { MeshSources } from './mesh-sources.ts';
import { policyConditions, type TargetLookup, unbound } from './policy-conditions.ts';
import { serviceEntryVisibility } from './service-visibility.ts';
import {
  conditionWrites,
  type DesiredCondition,
  type StatusKind,
  type StatusWrite,
  statusWriteKey,
} from './status-write.ts';
import { bindService, bindWorkload, instanceOf, type ServiceBinding } from './waypoint-binding.ts';
import type { WaypointDirectory } from './waypoint-directory.ts';

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

export function statusCollections(
  graph: Graph,
  sources: MeshSources,
  waypoints: WaypointDirectory,
  settings: MeshSettings,
): StatusCollections {
  const bindings: Bindings = {
    ofService: (service, context) => bindService(service.metadata, waypoints.lookup(context)),
    ofEntry: (entry, context) =>
      bindService(entry.metadata, waypoints.lookup(context), visibilityOf(entry, context) === 'NAMESPACE'),
  };
  const visibilityOf = (entry: ServiceEntry, context: FetchContext) => {
    const namespace = context.get(sources.Namespace, entry.metadata.namespace);
    return serviceEntryVisibility(settings, namespace?.metadata.labels ?? {});
  };
  const services = derive<Service, Verdict>(graph, {
    name: 'service-verdicts',
    from: sources.Service,
    keyOf: verdictKey,
    isEqual: isSameVerdict,
    transform: (service, context) => {
      const desired = isMeshService(service) ? serviceConditions(bindings.ofService(service, context)) : [];
      return verdict(service, desired);
    },
  });
  const entries = derive<ServiceEntry, Verdict>(graph, {
    name: 'service-entry-verdicts',
    from: sources.ServiceEntry,
    keyOf: verdictKey,
    isEqual: isSameVerdict,
    transform: (entry, context) => {
      const visibility = visibilityOf(entry, context);
      const desired =
        visibility === 'NONE' ? [] : entryConditions(entry, bindings.ofEntry(entry, context), visibility, settings);
      return verdict(entry, desired);
    },
  });
  const workloads = derive<WorkloadEntry, Verdict>(graph, {
    name: 'workload-entry-verdicts',
    from: sources.WorkloadEntry,
    keyOf: verdictKey,
    isEqual: isSameVerdict,
    transform: (entry, context) => {
      const { namespace, annotations } = entry.metadata;
      const object = { namespace, annotations, labels: workloadEntryLabels(entry) };
      const lookup = waypoints.lookup(context);
      const isInstance = instanceOf(object, lookup) !== undefined;
      const desired = isInstance ? [] : workloadConditions(bindWorkload(object, lookup));
      return verdict(entry, desired);
    },
  });
  const policies = policyVerdicts(graph, sources, waypoints, bindings, settings);
  const verdicts = join<Verdict>(graph, 'verdicts', [services, entries, workloads, policies], isSameVerdict);
  const conditions = derive<Verdict, StatusWrite>(graph, {
    name: 'condition-writes',
    from: verdicts,
    keyOf: statusWriteKey,
    transform: ({ kind, metadata, present, conditions: desired }) => conditionWrites(kind, metadata, present, desired),
  });
  const findings = derive<Verdict, SourceReport>(graph, {
    name: 'waypoint-findings',
    from: verdicts,
    keyOf: formatReport,
    transform: waypointFindings,
  });
  return { writes: join<StatusWrite>(graph, 'statuses', [conditions, addresses(graph, sources)]), findings };
}

/** Objects without a condition, wanted or present, have no verdict. */
function verdict(
  { kind, metadata, origin, status }: Service | ServiceEntry | WorkloadEntry | AuthorizationPolicy,
  conditions: readonly DesiredCondition[],
): readonly Verdict[] {
  if (conditions.length === 0 && status.conditions.length === 0) return [];
  return [{ kind, metadata, origin, present: status.conditions, conditions }];
}

function verdictKey({ kind, metadata }: Verdict): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}

function isSameVerdict(a: Verdict, b: Verdict): boolean {
  return a.metadata === b.metadata && a.present === b.present && isDeepStrictEqual(a.conditions, b.conditions);
}

function waypointFindings({ kind, metadata, origin, conditions }: Verdict): readonly SourceReport[] {
  return conditions.flatMap(({ type, status, reason, message }) => {
    const isAmiss =
      (type === 'istio.io/WaypointBound' && status === 'False') ||
      type === 'istio.io/WaypointMissing' ||
      (type === 'WaypointAccepted' && reason !== 'Accepted');
    if (!isAmiss) return [];
    const text = `${kind} ${metadata.namespace}/${metadata.name}: ${message}`;
    return [{ severity: 'warning', code: 'suspicious', location: origin, message: text } satisfies SourceReport];
  });
}

interface Bindings {
  readonly ofService: (service: Service, context: FetchContext) => ServiceBinding;
  readonly ofEntry: (entry: ServiceEntry, context: FetchContext) => ServiceBinding;
}

function policyVerdicts(
  graph: Graph,
  sources: MeshSources,
  waypoints: WaypointDirectory,
  bindings: Bindings,
  settings: MeshSettings,
): Collection<Verdict> {
  const keyOf = ({ binding }: ServiceBinding): string => (binding.kind === 'bound' ? binding.waypoint.key : unbound);
  const lookupOf = (context: FetchContext): TargetLookup => ({
    controllerOf: (name) => context.get(sources.GatewayClass, name)?.spec.controllerName,
    isWaypoint: (gateway) => context.get(waypoints.waypoints, gateway) !== undefined,
    waypointOf: (kind, key) => {
      if (kind === 'Service') {
        const service = context.get(sources.Service, key);
        return service === undefined ? undefined : keyOf(bindings.ofService(service, context));
      }
      const entry = context.get(sources.ServiceEntry, key);
      return entry === undefined ? undefined : keyOf(bindings.ofEntry(entry, context));
    },
  });
  return derive<AuthorizationPolicy, Verdict>(graph, {
    name: 'policy-verdicts',
    from: sources.AuthorizationPolicy,
    keyOf: verdictKey,
    isEqual: isSameVerdict,
    transform: (policy, context) => {
      const desired = policyConditions(policy, lookupOf(context), settings);
      return verdict(policy, desired);
    },
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

import type { ObjectReader } from '../object-reader.ts';
import { readConditionList, type StatusCondition } from './status-condition.ts';

/** What a route is attached to, as written: a status repeats it exactly. */
export interface ParentRef {
  readonly group: string | undefined;
  readonly kind: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly sectionName: string | undefined;
  readonly port: number | undefined;
}

/** What one controller says of one parent of a route. */
export interface RouteParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly StatusCondition[];
}

/** Group of the Gateway API. */
export const gatewayGroup = 'gateway.networking.k8s.io';

/** Reads the field `parentRefs` of a route. */
export function readParentRefs(spec: ObjectReader): readonly ParentRef[] {
  return spec.objects('parentRefs', readParentRef);
}

/** Reads `status.parents` of a route. */
export function readRouteStatus(object: ObjectReader): readonly RouteParentStatus[] {
  return readStatusOf(object, 'parents', 'parentRef');
}

/** Reads `status.ancestors` of a policy: the same in other words. */
export function readPolicyStatus(object: ObjectReader): readonly RouteParentStatus[] {
  return readStatusOf(object, 'ancestors', 'ancestorRef');
}

function readStatusOf(object: ObjectReader, list: string, reference: string): readonly RouteParentStatus[] {
  const entries = object.object('status', (status) =>
    status.objects(list, (entry) => ({
      parentRef: entry.requiredObject(reference, readParentRef) ?? nobody,
      controllerName: entry.string('controllerName') ?? '',
      conditions: readConditionList(entry),
    })),
  );
  return entries ?? [];
}

const nobody: ParentRef = {
  group: undefined,
  kind: undefined,
  namespace: undefined,
  name: '',
  sectionName: undefined,
  port: undefined,
};

function readParentRef(reader: ObjectReader): ParentRef {
  return {
    group: reader.string('group'),
    kind: reader.string('kind'),
    namespace: reader.string('namespace'),
    name: reader.requiredString('name'),
    sectionName: reader.string('sectionName'),
    port: reader.port('port'),
  };
}

import type { AllocatedAddress, ObjectMeta, StatusCondition } from '@ambit/kube';

/** Kinds whose status the control plane writes. */
export type StatusKind =
  | 'AuthorizationPolicy'
  | 'BackendTLSPolicy'
  | 'DestinationRule'
  | 'EnvoyFilter'
  | 'GRPCRoute'
  | 'Gateway'
  | 'HTTPRoute'
  | 'ListenerSet'
  | 'PeerAuthentication'
  | 'RateLimitPolicy'
  | 'RequestAuthentication'
  | 'Service'
  | 'ServiceEntry'
  | 'TCPRoute'
  | 'TLSRoute'
  | 'Telemetry'
  | 'TrafficExtension'
  | 'UDPRoute'
  | 'VirtualService'
  | 'WasmPlugin'
  | 'WorkloadEntry';

/** What is said of one parent of a route, or of one ancestor of a policy. */
export interface ParentWrite {
  /** The fields that the route's spec has. */
  readonly parentRef: Readonly<Record<string, string | number>>;
  readonly controllerName: string;
  readonly conditions: readonly DesiredCondition[];
}

/** What is said of one listener of a Gateway or ListenerSet. */
export interface ListenerWrite {
  readonly name: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly DesiredCondition[];
}

/** A condition as it should be. */
export interface DesiredCondition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  /** Generation of the object that was judged; only on policies, and only when the object has one. */
  readonly observedGeneration?: number;
  /** Time of the present condition, RFC 3339, where its `status` stays; absent: whoever writes puts in the time of writing. */
  readonly lastTransitionTime?: string;
}

/**
 * A status that is not yet what it should be. A record appears when the object's status as read differs from what is
 * derived, changes when that difference changes, and goes away when the object reads as wanted; so whoever writes does
 * so once for each appearance or change, tries again after a failure while the record exists, and does nothing when it
 * goes away. Everything of one field manager is in the record: server-side apply of exactly these fields also removes
 * what is not wanted any more.
 */
export interface StatusWrite {
  readonly kind: StatusKind;
  readonly namespace: string;
  readonly name: string;
  /** Of the object that was judged; undefined when it has none (Services, files). */
  readonly generation: number | undefined;
  readonly fieldManager: 'ambit-status' | 'ambit-addresses';
  /** What to apply under `status`: one of the three. */
  readonly conditions?: readonly DesiredCondition[];
  readonly addresses?: readonly AllocatedAddress[];
  /** All parents that are ours; those of other controllers stay as they are. */
  readonly parents?: readonly ParentWrite[];
  /** Beside `conditions`, on Gateways and ListenerSets. */
  readonly listeners?: readonly ListenerWrite[];
  /** Beside `listeners`, on Gateways. */
  readonly attachedListenerSets?: number;
  /** With `parents`: whose entries are ours. */
  readonly ownControllers?: readonly string[];
}

/** Unique for an object and a field manager. */
export function statusWriteKey(write: StatusWrite): string {
  return `${write.kind}/${write.namespace}/${write.name}/${write.fieldManager}`;
}

/** Condition types this control plane answers for. Others in the same status belong to others and stay. */
export const ownConditionTypes: ReadonlySet<string> = new Set([
  'istio.io/WaypointBound',
  'istio.io/WaypointMissing',
  'istio.io/VisibilityApplied',
  'ZtunnelAccepted',
  'WaypointAccepted',
  'ambit.dev/WaypointConfigured',
  'ambit.dev/FieldsInForce',
  'ambit.dev/KeysFetched',
  'ambit.dev/SelectsWorkloads',
]);

/** What has to be written for an object; nothing when its conditions read as wanted. */
export function conditionWrites(
  kind: StatusKind,
  metadata: ObjectMeta,
  present: readonly StatusCondition[],
  desired: readonly DesiredCondition[],
): readonly StatusWrite[] {
  const own = present.filter(({ type }) => ownConditionTypes.has(type));
  const isAsWanted =
    own.length === desired.length && desired.every((wanted) => own.some((is) => isSameCondition(is, wanted)));
  if (isAsWanted) return [];
  const conditions = desired.map((wanted) => {
    const since = own.find((is) => is.type === wanted.type && is.status === wanted.status)?.lastTransitionTime;
    return since === undefined ? wanted : { ...wanted, lastTransitionTime: since };
  });
  const { namespace, name, generation } = metadata;
  return [{ kind, namespace, name, generation, fieldManager: 'ambit-status', conditions }];
}

/** True when a condition reads as wanted; times do not count. */
export function isSameCondition(present: StatusCondition, wanted: DesiredCondition): boolean {
  return (
    present.type === wanted.type &&
    present.status === wanted.status &&
    present.reason === wanted.reason &&
    present.message === wanted.message &&
    (wanted.observedGeneration === undefined || present.observedGeneration === wanted.observedGeneration)
  );
}

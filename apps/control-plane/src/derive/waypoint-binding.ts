import { workload } from '@ambit/api';
import type { Labels } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { isGoTrue, parsePercent } from './go-literal.ts';
import type { GovernedService } from './governing-policies.ts';
import { allowsNamespace, gatewayNameLabel, hbonePort, type Waypoint } from './waypoint.ts';

const useWaypoint = 'istio.io/use-waypoint';
const canaryWaypoint = 'istio.io/use-waypoint-canary';
const canaryWeight = 'istio.io/use-waypoint-canary-weight';
const ingressUseWaypoint = 'istio.io/ingress-use-waypoint';
/** On services, pods and namespaces: `allow` lets connections in that have not come through the waypoint. */
export const pastWaypoint = 'ambit.dev/past-waypoint';

/** Labels and annotations that decide about waypoints, and where the object is. */
export interface BindingObject {
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** A Service or ServiceEntry. */
export interface BindingService {
  readonly kind: GovernedService['kind'];
  readonly metadata: BindingObject & { readonly name: string };
}

/** What a binding is looked up in. */
export interface WaypointLookup {
  /** By `namespace/name`. */
  waypoint(key: string): Waypoint | undefined;
  /** Labels and annotations of a namespace about waypoints; undefined when there are none. */
  defaultsOf(namespace: string): Pick<BindingObject, 'labels' | 'annotations'> | undefined;
  /** All labels of a namespace. */
  labelsOf(namespace: string): Labels;
  /** A policy that would not be enforced if the service, or a workload, were called without the waypoint; undefined: it may be. */
  policyLost(service: GovernedService | undefined, waypoint: string): string | undefined;
  /** A policy for whose sake the service, or a workload, is closed to everybody but the waypoint; undefined: it is open. */
  policyPassed(service: GovernedService | undefined, waypoint: string): string | undefined;
}

/** Reasons as tools know them. Spec: control-plane.md section 4.4. */
export type RefusalReason =
  | 'WaypointIsNotReady'
  | 'AttachmentDenied'
  | 'UnsupportedTrafficType'
  | 'CrossNamespaceWaypointForbidden'
  | 'CanaryInvalidWeight'
  | 'CanarySameAsPrimary';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
  /** `namespace/name` of the waypoint that was asked for. */
  readonly waypoint: string;
}

/**
 * - `none`: nobody asked for a waypoint, or it was declined
 * - `refused`: a waypoint was asked for and there is none; traffic goes without, there is no second choice. With a `policy` that only
 *   the waypoint could enforce (its kind and name) it goes nowhere
 */
export type Binding =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly policy?: string }
  | { readonly kind: 'bound'; readonly waypoint: Waypoint };

/** The binding of a service, with what goes along with it. */
export interface ServiceBinding {
  readonly binding: Binding;
  /** The second waypoint and the percentage of connections it gets. */
  readonly canary: { readonly waypoint: Waypoint; readonly weight: number } | undefined;
  /** Why the canary that was asked for does not take part. */
  readonly canaryRefusal: Refusal | undefined;
  /** Whether ingress gateways use the waypoint too; undefined when no label says. */
  readonly isForIngress: boolean | undefined;
  /** Kind and name of a policy, because of which its workloads refuse who has gone past the waypoint; undefined: they admit them. */
  readonly closedBy: string | undefined;
  /** A label lets them past all the same. */
  readonly isPastAllowed: boolean;
}

/** The waypoint of a binding that came about. */
export function boundWaypoint(binding: Binding): Waypoint | undefined {
  return binding.kind === 'bound' ? binding.waypoint : undefined;
}

const none: Binding = { kind: 'none' };

/** Gateways of these controllers are never behind a waypoint. */
const managedByMesh: ReadonlySet<string> = new Set([
  'istio.io-mesh-controller',
  'istio.io-eastwest-controller',
  'ambit.dev-mesh-controller',
  'ambit.dev-eastwest-controller',
]);

/**
 * The waypoint of a Service or ServiceEntry. `isPrivate`: a ServiceEntry that only its namespace sees, which a waypoint
 * elsewhere would expose. Spec: control-plane.md section 4.3.
 */
export function bindService(
  { kind, metadata: object }: BindingService,
  lookup: WaypointLookup,
  isPrivate = false,
): ServiceBinding {
  const binding = closedFor(serviceWaypoint(object, lookup, isPrivate), (waypoint) =>
    lookup.policyLost({ kind, namespace: object.namespace, name: object.name }, waypoint),
  );
  const defaults = lookup.defaultsOf(object.namespace);
  const ingress = object.labels[ingressUseWaypoint] ?? defaults?.labels[ingressUseWaypoint];
  const isForIngress = ingress === undefined || binding.kind === 'none' ? undefined : isGoTrue(ingress);
  if (binding.kind !== 'bound') {
    return { binding, ...noCanary, isForIngress, closedBy: undefined, isPastAllowed: false };
  }
  const canary = bindCanary(object, binding.waypoint, lookup);
  const keys = [binding.waypoint.key, ...(canary.canary === undefined ? [] : [canary.canary.waypoint.key])];
  const service = { kind, namespace: object.namespace, name: object.name };
  const isPastAllowed = allowsPast(object, lookup);
  const closedBy = isPastAllowed
    ? undefined
    : keys.map((key) => lookup.policyPassed(service, key)).find((policy) => policy !== undefined);
  return { binding, isForIngress, ...canary, closedBy, isPastAllowed };
}

/** True for a workload that admits nobody but its own waypoint, in the waypoint's namespace: elsewhere nobody knows who else may come. */
export function isClosedBehind(object: BindingObject, waypoint: Waypoint, lookup: WaypointLookup): boolean {
  if (object.namespace !== waypoint.namespace || allowsPast(object, lookup)) return false;
  return lookup.policyPassed(undefined, waypoint.key) !== undefined;
}

/** What the object's own label says, and only without one what the namespace's says. */
function allowsPast({ namespace, labels }: BindingObject, lookup: WaypointLookup): boolean {
  return (labels[pastWaypoint] ?? lookup.defaultsOf(namespace)?.labels[pastWaypoint]) === 'allow';
}

/** Without its waypoint a service is called only if nobody relies on a policy there. */
function closedFor(binding: Binding, policyLost: (waypoint: string) => string | undefined): Binding {
  if (binding.kind !== 'refused') return binding;
  const policy = policyLost(binding.refusal.waypoint);
  return policy === undefined ? binding : { ...binding, policy };
}

function serviceWaypoint(object: BindingObject, lookup: WaypointLookup, isPrivate: boolean): Binding {
  if (managedByMesh.has(object.labels['gateway.istio.io/managed'] ?? '')) return none;
  const target = bindTarget(object, lookup);
  if (target.kind !== 'bound') return target;
  const { waypoint } = target;
  if (!takesServices(waypoint)) return unsupported(waypoint, 'service');
  if (isPrivate && waypoint.namespace !== object.namespace) {
    const message = `waypoint "${waypoint.key}" is in another namespace, which may not see this ServiceEntry (visibility NAMESPACE); use a waypoint of namespace ${object.namespace}`;
    return refused('CrossNamespaceWaypointForbidden', message, waypoint.key);
  }
  return target;
}

/** The waypoint of a workload's own address. A type that does not fit is no mistake when the namespace decided. */
export function bindWorkload(object: BindingObject, lookup: WaypointLookup): Binding {
  const target = bindTarget(object, lookup);
  // What its namespace names may be for services alone; nobody knows while it is missing.
  if (target.kind === 'refused' && object.labels[useWaypoint] !== undefined) {
    return closedFor(target, (waypoint) => lookup.policyLost(undefined, waypoint));
  }
  if (target.kind !== 'bound') return target;
  const { traffic } = target.waypoint;
  if (traffic === 'workload' || traffic === 'all') return target;
  return object.labels[useWaypoint] === undefined ? none : unsupported(target.waypoint, 'workload');
}

/** Where traffic goes: to the waypoint, or nowhere instead of past it; undefined for neither. */
export function bindingAddress(binding: Binding): workload.GatewayAddress | undefined {
  if (binding.kind === 'bound') return binding.waypoint.address;
  return binding.kind === 'refused' && binding.policy !== undefined ? nowhere(binding.refusal.waypoint) : undefined;
}

/** The gateway a workload is an instance of. Its pods are never behind a waypoint themselves. */
export function instanceOf(object: BindingObject, lookup: WaypointLookup): Waypoint | undefined {
  const name = object.labels[gatewayNameLabel];
  return name === undefined || name === '' ? undefined : lookup.waypoint(`${object.namespace}/${name}`);
}

/** What the object's own label says, and only without one what the namespace's says. */
function bindTarget(object: BindingObject, lookup: WaypointLookup): Binding {
  const { namespace } = object;
  const labels = object.labels[useWaypoint] === undefined ? lookup.defaultsOf(namespace)?.labels : object.labels;
  const name = labels?.[useWaypoint];
  if (name === undefined || name === 'none') return none;
  const key = `${labels?.[`${useWaypoint}-namespace`] ?? namespace}/${name}`;
  return attach(key, namespace, lookup);
}

function attach(key: string, namespace: string, lookup: WaypointLookup): Binding {
  const waypoint = lookup.waypoint(key);
  if (waypoint === undefined) {
    const message = `waypoint "${key}" is not ready: there is no such Gateway, or its status has no address yet`;
    return refused('WaypointIsNotReady', message, key);
  }
  if (!allowsNamespace(waypoint, namespace, (name) => lookup.labelsOf(name))) {
    const message = `waypoint "${key}" does not admit namespace ${namespace}; set allowedRoutes.namespaces on its listener`;
    return refused('AttachmentDenied', message, key);
  }
  return { kind: 'bound', waypoint };
}

/** The canary is read on the level of the primary, unless the object has a canary of its own. */
function bindCanary(
  object: BindingObject,
  primary: Waypoint,
  lookup: WaypointLookup,
): Pick<ServiceBinding, 'canary' | 'canaryRefusal'> {
  const { namespace } = object;
  const levels: Pick<BindingObject, 'labels' | 'annotations'>[] = [object];
  const defaults = lookup.defaultsOf(namespace);
  if (object.labels[useWaypoint] === undefined && defaults !== undefined) levels.push(defaults);
  const labels = levels.find((level) => level.labels[canaryWaypoint] !== undefined)?.labels;
  const name = labels?.[canaryWaypoint];
  if (labels === undefined || name === undefined || name === '' || name === 'none') return noCanary;
  const key = `${labels[`${canaryWaypoint}-namespace`] ?? namespace}/${name}`;
  if (key === primary.key) {
    const message = `canary waypoint "${key}" is the primary waypoint; name another one`;
    return withoutCanary('CanarySameAsPrimary', message, key);
  }
  const annotations = levels.find((level) => level.annotations[canaryWeight] !== undefined)?.annotations;
  const weight = parsePercent(annotations?.[canaryWeight] ?? '0');
  if (weight === undefined) {
    const message = `canary waypoint "${key}": annotation ${canaryWeight} must be a whole number from 0 to 100`;
    return withoutCanary('CanaryInvalidWeight', message, key);
  }
  const target = attach(key, namespace, lookup);
  if (target.kind === 'refused') return { canary: undefined, canaryRefusal: target.refusal };
  if (target.kind === 'none') return noCanary;
  if (!takesServices(target.waypoint)) {
    return { canary: undefined, canaryRefusal: unsupported(target.waypoint, 'service').refusal };
  }
  return { canary: { waypoint: target.waypoint, weight }, canaryRefusal: undefined };
}

const noCanary: Pick<ServiceBinding, 'canary' | 'canaryRefusal'> = { canary: undefined, canaryRefusal: undefined };

function withoutCanary(
  reason: RefusalReason,
  message: string,
  waypoint: string,
): Pick<ServiceBinding, 'canary' | 'canaryRefusal'> {
  return { canary: undefined, canaryRefusal: { reason, message, waypoint } };
}

/** Writes a binding into the message of a service. */
export function setBinding(message: workload.Service, { binding, canary, isForIngress }: ServiceBinding): void {
  const address = bindingAddress(binding);
  if (address === undefined) return;
  message.waypoint = address;
  message.ingressUseWaypoint = isForIngress ?? false;
  if (canary === undefined || binding.kind !== 'bound') return;
  // The primary stays in `waypoint` too, for clients that do not know weights.
  message.weightedWaypoints = [
    create(workload.WeightedWaypointSchema, { destination: binding.waypoint.address, weight: 100 - canary.weight }),
    create(workload.WeightedWaypointSchema, { destination: canary.waypoint.address, weight: canary.weight }),
  ];
}

/** A waypoint that cannot exist: node proxies refuse what should go through one that they do not find. Spec: RFC 6761, invalid. */
function nowhere(key: string): workload.GatewayAddress {
  const [namespace = '', name = ''] = key.split('/');
  return create(workload.GatewayAddressSchema, {
    destination: { case: 'hostname', value: { namespace, hostname: `${name}.${namespace}.waypoint.invalid` } },
    hboneMtlsPort: hbonePort,
  });
}

function takesServices({ traffic }: Waypoint): boolean {
  return traffic === 'service' || traffic === 'all';
}

function unsupported(waypoint: Waypoint, wanted: string): Extract<Binding, { kind: 'refused' }> {
  const { key, traffic } = waypoint;
  const message = `waypoint "${key}" is for "${traffic}", not for "${wanted}"; set label istio.io/waypoint-for on the Gateway`;
  return refused('UnsupportedTrafficType', message, key);
}

function refused(reason: RefusalReason, message: string, waypoint: string): Extract<Binding, { kind: 'refused' }> {
  return { kind: 'refused', refusal: { reason, message, waypoint } };
}

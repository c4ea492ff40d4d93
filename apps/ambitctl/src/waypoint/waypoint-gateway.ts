/** The Gateway that asks for a waypoint, and what its status says. Pure. */
import type { PlainObject } from '@ambit/kube';
import { fieldAt, objectsAt, textAt } from '../cluster/read-fields.ts';

/** What a waypoint is for. Spec: control-plane.md section 4.2. */
export const trafficTypes = ['service', 'workload', 'all', 'none'] as const;
export type TrafficType = (typeof trafficTypes)[number];

export interface WaypointWish {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: what the class says, else services. */
  readonly traffic: TrafficType | undefined;
  readonly className: string;
  /** Value of istio.io/rev; undefined: the default. */
  readonly revision: string | undefined;
}

export function waypointGateway({ namespace, name, traffic, className, revision }: WaypointWish): PlainObject {
  const labels = {
    ...(traffic === undefined ? {} : { 'istio.io/waypoint-for': traffic }),
    ...(revision === undefined ? {} : { 'istio.io/rev': revision }),
  };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace, ...(Object.keys(labels).length === 0 ? {} : { labels }) },
    spec: { gatewayClassName: className, listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
  };
}

/** A waypoint, whoever made it: it has a listener for HBONE. */
export function isWaypoint(gateway: unknown): boolean {
  return objectsAt(gateway, 'spec', 'listeners').some(
    (listener) => fieldAt(listener, 'protocol') === 'HBONE' && fieldAt(listener, 'port') === 15_008,
  );
}

/** How far a waypoint is. */
export interface WaypointFacts {
  readonly namespace: string;
  readonly name: string;
  readonly className: string;
  readonly revision: string;
  readonly traffic: string;
  /** `True`, `False` or `Unknown` while nobody has looked at it. */
  readonly programmed: string;
  readonly reason: string;
  readonly message: string;
}

export function waypointFacts(gateway: unknown): WaypointFacts {
  const conditions = objectsAt(gateway, 'status', 'conditions');
  const accepted = conditions.find((condition) => fieldAt(condition, 'type') === 'Accepted');
  const programmed = conditions.find((condition) => fieldAt(condition, 'type') === 'Programmed');
  const telling = textAt(accepted, 'status') === 'False' ? accepted : programmed;
  return {
    namespace: textAt(gateway, 'metadata', 'namespace') ?? '',
    name: textAt(gateway, 'metadata', 'name') ?? '',
    className: textAt(gateway, 'spec', 'gatewayClassName') ?? '',
    revision: textAt(gateway, 'metadata', 'labels', 'istio.io/rev') ?? 'default',
    traffic: textAt(gateway, 'metadata', 'labels', 'istio.io/waypoint-for') ?? 'service',
    programmed: textAt(programmed, 'status') ?? 'Unknown',
    reason: textAt(telling, 'reason') ?? 'Pending',
    message: textAt(telling, 'message') ?? 'no controller has looked at it; is the mesh installed?',
  };
}

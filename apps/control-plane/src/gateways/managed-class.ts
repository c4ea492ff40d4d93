/** Classes of gateways whose proxies this control plane deploys. */

export interface ManagedClass {
  readonly name: string;
  readonly controllerName: string;
  /** A waypoint takes HBONE from the mesh; a gateway has listeners for everybody. */
  readonly role: 'waypoint' | 'gateway';
  /** At most 64 characters. Spec: GatewayClass. */
  readonly description: string;
}

const own: readonly ManagedClass[] = [
  {
    name: 'ambit-waypoint',
    controllerName: 'ambit.dev/mesh-controller',
    role: 'waypoint',
    description: 'Waypoints of Ambit: HTTP routing and policy for services',
  },
];

const ownGateway: ManagedClass = {
  name: 'ambit',
  controllerName: 'ambit.dev/gateway-controller',
  role: 'gateway',
  description: 'Gateways of Ambit: traffic into the mesh and out of it',
};

/** Of Istio, for users who take their objects along; only when no istiod looks after them. */
const takenOver: readonly ManagedClass[] = [
  {
    name: 'istio-waypoint',
    controllerName: 'istio.io/mesh-controller',
    role: 'waypoint',
    description: 'Waypoints, deployed by Ambit in the place of Istio',
  },
  {
    name: 'istio',
    controllerName: 'istio.io/gateway-controller',
    role: 'gateway',
    description: 'Gateways, deployed by Ambit in the place of Istio',
  },
];

export function managedClasses(takesOver: boolean): readonly ManagedClass[] {
  return takesOver ? [...own, ownGateway, ...takenOver] : [...own, ownGateway];
}

/** The class that a GatewayClass is of: users may make classes of their own with one of our controllers. */
export function classOfController(
  classes: readonly ManagedClass[],
  controllerName: string | undefined,
): ManagedClass | undefined {
  return classes.find((known) => known.controllerName === controllerName);
}

/** Workloads and services as the rest of the data plane reads them. Spec: contract data-plane 5.1. */

/** One address in one network; networks may reuse each other's addresses. */
export interface NetworkAddress {
  readonly network: string;
  /** Canonical text. */
  readonly address: string;
}

/** The name of a service, or of a workload that has a host name. */
export interface NamespacedHostname {
  readonly namespace: string;
  readonly hostname: string;
}

/** Where a waypoint or a gateway is. */
export interface GatewayAddress {
  readonly destination:
    | ({ readonly kind: 'address' } & NetworkAddress)
    | ({ readonly kind: 'hostname' } & NamespacedHostname);
  readonly hbonePort: number;
}

/** Where a workload runs; each part may be empty. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** How bytes are handed to an application that takes the place of ztunnel. Port undefined: the requested one. */
export interface ApplicationTunnel {
  readonly protocol: 'none' | 'proxy';
  readonly port: number | undefined;
}

/** Service port to target port; 0 stands for a named port that each endpoint resolves. */
export type PortMap = ReadonlyMap<number, number>;

/** Something with addresses of its own, usually a pod. */
export interface Workload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly trustDomain: string;
  readonly serviceAccount: string;
  /** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
  readonly identity: string;
  readonly addresses: readonly string[];
  readonly network: string;
  readonly isHostNetwork: boolean;
  readonly protocol: 'tcp' | 'hbone';
  readonly nativeTunnel: boolean;
  readonly waypoint: GatewayAddress | undefined;
  readonly networkGateway: GatewayAddress | undefined;
  readonly applicationTunnel: ApplicationTunnel | undefined;
  readonly node: string;
  readonly clusterId: string;
  readonly locality: Locality;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly workloadName: string;
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly authorizationPolicies: readonly string[];
  readonly isHealthy: boolean;
  /** Resolved on demand when there are no addresses. */
  readonly hostname: string;
  /** By `namespace/hostname` of the service: the ports of this endpoint. */
  readonly services: ReadonlyMap<string, PortMap>;
  /** Relative weight; 0 takes no traffic. */
  readonly capacity: number;
}

/** What endpoints are compared by, seen from the caller. */
export type LoadBalancingScope = 'region' | 'zone' | 'subzone' | 'node' | 'cluster' | 'network';

/** By the numbers of istio.workload.LoadBalancing.Scope; 0, unspecified, is none that may be asked for. */
export const loadBalancingScopes: readonly (LoadBalancingScope | undefined)[] = [
  undefined,
  'region',
  'zone',
  'subzone',
  'node',
  'cluster',
  'network',
];

export interface LoadBalancing {
  readonly mode: 'standard' | 'strict' | 'failover' | 'passthrough';
  readonly preferences: readonly LoadBalancingScope[];
  /** True: endpoints that are not ready count too. */
  readonly allowsUnhealthy: boolean;
}

export interface WeightedWaypoint {
  readonly destination: GatewayAddress;
  readonly weight: number;
}

/** A virtual address range; `address` is its first address as sent. */
export interface CidrVip extends NetworkAddress {
  readonly length: number;
}

/** A set of endpoints behind one host name. */
export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly vips: readonly NetworkAddress[];
  readonly cidrVips: readonly CidrVip[];
  readonly ports: PortMap;
  readonly subjectAltNames: readonly string[];
  readonly waypoint: GatewayAddress | undefined;
  readonly weightedWaypoints: readonly WeightedWaypoint[];
  /** Ingress gateways go through the waypoint too. */
  readonly ingressUsesWaypoint: boolean;
  readonly loadBalancing: LoadBalancing | undefined;
  readonly ipFamilies: 'automatic' | 'ipv4' | 'ipv6' | 'dual';
  readonly isCanonical: boolean;
  /** False: visible only to callers of its own namespace. */
  readonly isPublic: boolean;
}

/** What labels and logs say of a service. */
export interface ServiceDescription {
  readonly hostname: string;
  readonly name: string;
  readonly namespace: string;
}

/** The resource name of a service. */
export function serviceKey(namespace: string, hostname: string): string {
  return `${namespace}/${hostname}`;
}

/** A short text of a gateway's destination, as the configuration dump writes it. */
export function gatewayText({ destination }: GatewayAddress): string {
  return destination.kind === 'address'
    ? `${destination.network}/${destination.address}`
    : serviceKey(destination.namespace, destination.hostname);
}

/** True when a caller of that namespace may use the service; undefined stands for no caller. */
export function isVisibleTo(
  service: Pick<Service, 'isPublic' | 'namespace'>,
  callerNamespace: string | undefined,
): boolean {
  return service.isPublic || callerNamespace === undefined || service.namespace === callerNamespace;
}

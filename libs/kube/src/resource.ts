import type { AuthorizationPolicy } from './resources/authorization-policy.ts';
import type { EndpointSlice } from './resources/endpoint-slice.ts';
import type { Gateway } from './resources/gateway.ts';
import type { GatewayClass } from './resources/gateway-class.ts';
import type { Namespace } from './resources/namespace.ts';
import type { Node } from './resources/node.ts';
import type { PeerAuthentication } from './resources/peer-authentication.ts';
import type { Pod } from './resources/pod.ts';
import type { Service } from './resources/service.ts';
import type { ServiceAccount } from './resources/service-account.ts';
import type { ServiceEntry } from './resources/service-entry.ts';
import type { WorkloadEntry } from './resources/workload-entry.ts';
import type { BackendTLSPolicy } from './resources/backend-tls-policy.ts';
import type { ConfigMap } from './resources/config-map.ts';
import type { DestinationRule } from './resources/destination-rule.ts';
import type { GRPCRoute } from './resources/grpc-route.ts';
import type { HTTPRoute } from './resources/http-route.ts';
import type { EnvoyFilter, TrafficExtension, WasmPlugin } from './resources/proxy-extension.ts';
import type { ListenerSet } from './resources/listener-set.ts';
import type { RateLimitPolicy } from './resources/rate-limit-policy.ts';
import type { ReferenceGrant } from './resources/reference-grant.ts';
import type { RequestAuthentication } from './resources/request-authentication.ts';
import type { Secret } from './resources/secret.ts';
import type { Telemetry } from './resources/telemetry.ts';
import type { VirtualService } from './resources/virtual-service.ts';
import type { TCPRoute, TLSRoute, UDPRoute } from './resources/stream-route.ts';

/** Every kind a source serves, by name. */
export interface ResourceKinds {
  readonly AuthorizationPolicy: AuthorizationPolicy;
  readonly BackendTLSPolicy: BackendTLSPolicy;
  readonly ConfigMap: ConfigMap;
  readonly DestinationRule: DestinationRule;
  readonly EndpointSlice: EndpointSlice;
  readonly EnvoyFilter: EnvoyFilter;
  readonly GRPCRoute: GRPCRoute;
  readonly Gateway: Gateway;
  readonly GatewayClass: GatewayClass;
  readonly HTTPRoute: HTTPRoute;
  readonly ListenerSet: ListenerSet;
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly PeerAuthentication: PeerAuthentication;
  readonly Pod: Pod;
  readonly RateLimitPolicy: RateLimitPolicy;
  readonly ReferenceGrant: ReferenceGrant;
  readonly RequestAuthentication: RequestAuthentication;
  readonly Secret: Secret;
  readonly Service: Service;
  readonly ServiceAccount: ServiceAccount;
  readonly ServiceEntry: ServiceEntry;
  readonly TCPRoute: TCPRoute;
  readonly TLSRoute: TLSRoute;
  readonly UDPRoute: UDPRoute;
  readonly Telemetry: Telemetry;
  readonly TrafficExtension: TrafficExtension;
  readonly VirtualService: VirtualService;
  readonly WasmPlugin: WasmPlugin;
  readonly WorkloadEntry: WorkloadEntry;
}

export type ResourceKind = keyof ResourceKinds;
export type Resource = ResourceKinds[ResourceKind];

/** `namespace/name`, or just the name for kinds without a namespace. Unique within a kind. */
export function resourceName(resource: Resource): string {
  return objectName(resource.metadata.namespace, resource.metadata.name);
}

/** The name an object of this namespace and name has within its kind. */
export function objectName(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** `Kind namespace/name`. Unique within a source. */
export function resourceKey(resource: Resource): string {
  return `${resource.kind} ${resourceName(resource)}`;
}

export function isOfKind<K extends ResourceKind>(resource: Resource, kind: K): resource is ResourceKinds[K] {
  return resource.kind === kind;
}

/** Order of a list: by namespace, then by name, in code units. */
export function byName(a: Resource, b: Resource): number {
  const left = a.metadata;
  const right = b.metadata;
  if (left.namespace !== right.namespace) return left.namespace < right.namespace ? -1 : 1;
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
}

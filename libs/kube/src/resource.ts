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

/** Every kind a source serves, by name. */
export interface ResourceKinds {
  readonly AuthorizationPolicy: AuthorizationPolicy;
  readonly EndpointSlice: EndpointSlice;
  readonly Gateway: Gateway;
  readonly GatewayClass: GatewayClass;
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly PeerAuthentication: PeerAuthentication;
  readonly Pod: Pod;
  readonly Service: Service;
  readonly ServiceAccount: ServiceAccount;
  readonly ServiceEntry: ServiceEntry;
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

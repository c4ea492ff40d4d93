import { type Graph, SourceCollection } from '@ambit/collections';
import type { MeshSettings } from '../mesh-settings.ts';
import type { KeyFailure } from './key-failure.ts';
import type { Refusal } from './refusal.ts';
import { isOfRevision } from './revision.ts';
import {
  type AllocatedAddress,
  type Resource,
  type ResourceEvent,
  type ResourceKind,
  resourceKinds,
  type ResourceKinds,
  resourceName,
  type ResourceSource,
} from '@ambit/kube';

/** Addresses allocated to the hosts of one ServiceEntry. */
export interface Allocation {
  /** `namespace/name` of the ServiceEntry. */
  readonly name: string;
  readonly addresses: readonly AllocatedAddress[];
}

/** Why the proxies of a Gateway cannot be deployed as it says; found by whoever deploys them. */
export interface DeploymentProblem {
  /** `namespace/name` of the Gateway. */
  readonly gateway: string;
  readonly reason: 'InvalidParameters' | 'Invalid';
  readonly message: string;
}

/** Source collections, one per kind, and what else comes from outside. Resources of another revision stay out. */
export type MeshSources = { readonly [K in ResourceKind]: SourceCollection<ResourceKinds[K]> } & {
  readonly allocations: SourceCollection<Allocation>;
  /** What proxies refused; told by them. */
  readonly refusals: SourceCollection<Refusal>;
  readonly deploymentProblems: SourceCollection<DeploymentProblem>;
  readonly keyFailures: SourceCollection<KeyFailure>;
  readonly isOurs: (resource: Resource) => boolean;
};

/** Resources of a source are replaced, never changed, so identity is equality. */
function collectionOf<T extends Resource>(graph: Graph, kind: ResourceKind): SourceCollection<T> {
  return new SourceCollection<T>(graph, kind, resourceName, Object.is);
}

export function meshSources(graph: Graph, settings: MeshSettings): MeshSources {
  return {
    isOurs: (resource) => isOfRevision(resource, settings),
    AuthorizationPolicy: collectionOf(graph, 'AuthorizationPolicy'),
    BackendTLSPolicy: collectionOf(graph, 'BackendTLSPolicy'),
    ConfigMap: collectionOf(graph, 'ConfigMap'),
    DestinationRule: collectionOf(graph, 'DestinationRule'),
    EndpointSlice: collectionOf(graph, 'EndpointSlice'),
    EnvoyFilter: collectionOf(graph, 'EnvoyFilter'),
    GRPCRoute: collectionOf(graph, 'GRPCRoute'),
    Gateway: collectionOf(graph, 'Gateway'),
    GatewayClass: collectionOf(graph, 'GatewayClass'),
    HTTPRoute: collectionOf(graph, 'HTTPRoute'),
    ListenerSet: collectionOf(graph, 'ListenerSet'),
    Namespace: collectionOf(graph, 'Namespace'),
    Node: collectionOf(graph, 'Node'),
    PeerAuthentication: collectionOf(graph, 'PeerAuthentication'),
    Pod: collectionOf(graph, 'Pod'),
    RateLimitPolicy: collectionOf(graph, 'RateLimitPolicy'),
    ReferenceGrant: collectionOf(graph, 'ReferenceGrant'),
    RequestAuthentication: collectionOf(graph, 'RequestAuthentication'),
    Secret: collectionOf(graph, 'Secret'),
    Service: collectionOf(graph, 'Service'),
    ServiceAccount: collectionOf(graph, 'ServiceAccount'),
    ServiceEntry: collectionOf(graph, 'ServiceEntry'),
    TCPRoute: collectionOf(graph, 'TCPRoute'),
    UDPRoute: collectionOf(graph, 'UDPRoute'),
    TLSRoute: collectionOf(graph, 'TLSRoute'),
    Telemetry: collectionOf(graph, 'Telemetry'),
    TrafficExtension: collectionOf(graph, 'TrafficExtension'),
    VirtualService: collectionOf(graph, 'VirtualService'),
    WasmPlugin: collectionOf(graph, 'WasmPlugin'),
    WorkloadEntry: collectionOf(graph, 'WorkloadEntry'),
    allocations: new SourceCollection<Allocation>(graph, 'allocations', (allocation) => allocation.name),
    refusals: new SourceCollection<Refusal>(graph, 'refusals', ({ key }) => key),
    keyFailures: new SourceCollection<KeyFailure>(graph, 'key-failures', ({ key }) => key),
    deploymentProblems: new SourceCollection<DeploymentProblem>(
      graph,
      'deployment-problems',
      ({ gateway }) => gateway,
      (a, b) => a.reason === b.reason && a.message === b.message,
    ),
  };
}

/** Fills the collections with everything a source has. Call it inside `Graph.update`. */
export function loadSources(sources: MeshSources, from: ResourceSource): void {
  for (const kind of resourceKinds) {
    for (const resource of from.list(kind)) if (sources.isOurs(resource)) setResource(sources, resource);
  }
}

/** Takes over one batch of changes. Call it inside `Graph.update`. */
export function applyEvents(sources: MeshSources, events: readonly ResourceEvent[]): void {
  for (const event of events) {
    if (event.kind === 'delete' || !sources.isOurs(event.resource)) {
      const gone = event.kind === 'delete' ? event.previous : event.resource;
      sources[gone.kind].delete(resourceName(gone));
    } else setResource(sources, event.resource);
  }
}

function setResource(sources: MeshSources, resource: Resource): void {
  switch (resource.kind) {
    case 'AuthorizationPolicy':
      return sources.AuthorizationPolicy.set(resource);
    case 'BackendTLSPolicy':
      return sources.BackendTLSPolicy.set(resource);
    case 'ConfigMap':
      return sources.ConfigMap.set(resource);
    case 'DestinationRule':
      return sources.DestinationRule.set(resource);
    case 'EndpointSlice':
      return sources.EndpointSlice.set(resource);
    case 'EnvoyFilter':
      return sources.EnvoyFilter.set(resource);
    case 'GRPCRoute':
      return sources.GRPCRoute.set(resource);
    case 'Gateway':
      return sources.Gateway.set(resource);
    case 'GatewayClass':
      return sources.GatewayClass.set(resource);
    case 'HTTPRoute':
      return sources.HTTPRoute.set(resource);
    case 'ListenerSet':
      return sources.ListenerSet.set(resource);
    case 'Namespace':
      return sources.Namespace.set(resource);
    case 'Node':
      return sources.Node.set(resource);
    case 'PeerAuthentication':
      return sources.PeerAuthentication.set(resource);
    case 'Pod':
      return sources.Pod.set(resource);
    case 'RateLimitPolicy':
      return sources.RateLimitPolicy.set(resource);
    case 'ReferenceGrant':
      return sources.ReferenceGrant.set(resource);
    case 'RequestAuthentication':
      return sources.RequestAuthentication.set(resource);
    case 'Secret':
      return sources.Secret.set(resource);
    case 'Service':
      return sources.Service.set(resource);
    case 'ServiceAccount':
      return sources.ServiceAccount.set(resource);
    case 'ServiceEntry':
      return sources.ServiceEntry.set(resource);
    case 'TCPRoute':
      return sources.TCPRoute.set(resource);
    case 'UDPRoute':
      return sources.UDPRoute.set(resource);
    case 'TLSRoute':
      return sources.TLSRoute.set(resource);
    case 'Telemetry':
      return sources.Telemetry.set(resource);
    case 'TrafficExtension':
      return sources.TrafficExtension.set(resource);
    case 'VirtualService':
      return sources.VirtualService.set(resource);
    case 'WasmPlugin':
      return sources.WasmPlugin.set(resource);
    case 'WorkloadEntry':
      return sources.WorkloadEntry.set(resource);
  }
}

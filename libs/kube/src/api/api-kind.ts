import type { ResourceKind } from '../resource.ts';

/** How the API server names a kind. */
export interface ApiKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Last part of its path. */
  readonly plural: string;
  readonly namespaced: boolean;
}

/** One object at the API server. */
export interface ObjectRef {
  readonly kind: ApiKind;
  /** For namespaced kinds; `default` when absent. */
  readonly namespace?: string;
  readonly name: string;
}

function core(kind: string, plural: string, namespaced: boolean): ApiKind {
  return { group: '', version: 'v1', kind, plural, namespaced };
}

function grouped(group: string, kind: string, plural: string): ApiKind {
  return { group, version: 'v1', kind, plural, namespaced: true };
}

const gateways = 'gateway.networking.k8s.io';

/** The kinds that a source serves. */
export const apiKinds: { readonly [K in ResourceKind]: ApiKind } = {
  AuthorizationPolicy: grouped('security.istio.io', 'AuthorizationPolicy', 'authorizationpolicies'),
  BackendTLSPolicy: grouped(gateways, 'BackendTLSPolicy', 'backendtlspolicies'),
  DestinationRule: grouped('networking.istio.io', 'DestinationRule', 'destinationrules'),
  EndpointSlice: grouped('discovery.k8s.io', 'EndpointSlice', 'endpointslices'),
  EnvoyFilter: { ...grouped('networking.istio.io', 'EnvoyFilter', 'envoyfilters'), version: 'v1alpha3' },
  GRPCRoute: grouped(gateways, 'GRPCRoute', 'grpcroutes'),
  Gateway: grouped(gateways, 'Gateway', 'gateways'),
  GatewayClass: { ...grouped(gateways, 'GatewayClass', 'gatewayclasses'), namespaced: false },
  HTTPRoute: grouped(gateways, 'HTTPRoute', 'httproutes'),
  ListenerSet: grouped(gateways, 'ListenerSet', 'listenersets'),
  Namespace: core('Namespace', 'namespaces', false),
  Node: core('Node', 'nodes', false),
  PeerAuthentication: grouped('security.istio.io', 'PeerAuthentication', 'peerauthentications'),
  Pod: core('Pod', 'pods', true),
  RateLimitPolicy: { ...grouped('ambit.dev', 'RateLimitPolicy', 'ratelimitpolicies'), version: 'v1alpha1' },
  ReferenceGrant: grouped(gateways, 'ReferenceGrant', 'referencegrants'),
  RequestAuthentication: grouped('security.istio.io', 'RequestAuthentication', 'requestauthentications'),
  Service: core('Service', 'services', true),
  ServiceAccount: core('ServiceAccount', 'serviceaccounts', true),
  ServiceEntry: grouped('networking.istio.io', 'ServiceEntry', 'serviceentries'),
  TCPRoute: grouped(gateways, 'TCPRoute', 'tcproutes'),
  TLSRoute: grouped(gateways, 'TLSRoute', 'tlsroutes'),
  Telemetry: grouped('telemetry.istio.io', 'Telemetry', 'telemetries'),
  TrafficExtension: { ...grouped('extensions.istio.io', 'TrafficExtension', 'trafficextensions'), version: 'v1alpha1' },
  UDPRoute: grouped(gateways, 'UDPRoute', 'udproutes'),
  VirtualService: grouped('networking.istio.io', 'VirtualService', 'virtualservices'),
  WasmPlugin: { ...grouped('extensions.istio.io', 'WasmPlugin', 'wasmplugins'), version: 'v1alpha1' },
  WorkloadEntry: grouped('networking.istio.io', 'WorkloadEntry', 'workloadentries'),
  ConfigMap: core('ConfigMap', 'configmaps', true),
  Secret: core('Secret', 'secrets', true),
};

/** Kinds that are read or written as they are, without a typed record. */
export const rawKinds: {
  readonly ConfigMap: ApiKind;
  readonly CustomResourceDefinition: ApiKind;
  readonly Event: ApiKind;
  readonly Lease: ApiKind;
  readonly Secret: ApiKind;
} = {
  ConfigMap: core('ConfigMap', 'configmaps', true),
  CustomResourceDefinition: {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    namespaced: false,
  },
  Event: core('Event', 'events', true),
  Lease: grouped('coordination.k8s.io', 'Lease', 'leases'),
  Secret: core('Secret', 'secrets', true),
};

/** `apiVersion` field of objects of a kind. */
export function apiVersionOf(kind: ApiKind): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** Path of a group and version. */
export function versionPath(kind: ApiKind): string {
  return kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
}

/** Path of all objects of a kind, of one namespace if one is given. */
export function collectionPath(kind: ApiKind, namespace?: string): string {
  const base = versionPath(kind);
  if (!kind.namespaced || namespace === undefined) return `${base}/${kind.plural}`;
  return `${base}/namespaces/${encodeURIComponent(namespace)}/${kind.plural}`;
}

/** Path of one object. */
export function objectPath(ref: ObjectRef, subresource?: string): string {
  const { kind, namespace = 'default', name } = ref;
  const path = `${collectionPath(kind, kind.namespaced ? namespace : undefined)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** `Kind namespace/name`, for messages. */
export function describeRef(ref: ObjectRef): string {
  return `${ref.kind.kind} ${ref.kind.namespaced ? `${ref.namespace ?? 'default'}/` : ''}${ref.name}`;
}

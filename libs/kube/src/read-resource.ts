import type { Location } from './location.ts';
import { nearestName } from './nearest-name.ts';
import { isPlainObject, ObjectReader, type PlainObject, type ProblemSink } from './object-reader.ts';
import { readObjectMeta, type ObjectMeta } from './object-meta.ts';
import { objectName, type Resource, type ResourceKind } from './resource.ts';
import { readAuthorizationPolicy, type Locate } from './resources/authorization-policy.ts';
import { readEndpointSlice } from './resources/endpoint-slice.ts';
import { readGateway } from './resources/gateway.ts';
import { readGatewayClass } from './resources/gateway-class.ts';
import { readNamespace } from './resources/namespace.ts';
import { readNode } from './resources/node.ts';
import { readPeerAuthentication } from './resources/peer-authentication.ts';
import { readPod } from './resources/pod.ts';
import { readServiceAccount } from './resources/service-account.ts';
import { readServiceEntry } from './resources/service-entry.ts';
import { readService } from './resources/service.ts';
import { readWorkloadEntry } from './resources/workload-entry.ts';
import { readBackendTLSPolicy } from './resources/backend-tls-policy.ts';
import { readConfigMap } from './resources/config-map.ts';
import { readSecret } from './resources/secret.ts';
import { readDestinationRule } from './resources/destination-rule.ts';
import { readGRPCRoute } from './resources/grpc-route.ts';
import { readHTTPRoute } from './resources/http-route.ts';
import { readEnvoyFilter, readTrafficExtension, readWasmPlugin } from './resources/proxy-extension.ts';
import { readListenerSet } from './resources/listener-set.ts';
import { readRateLimitPolicy } from './resources/rate-limit-policy.ts';
import { readReferenceGrant } from './resources/reference-grant.ts';
import { readRequestAuthentication } from './resources/request-authentication.ts';
import { readTelemetry } from './resources/telemetry.ts';
import { readVirtualService } from './resources/virtual-service.ts';
import { readTCPRoute, readTLSRoute, readUDPRoute } from './resources/stream-route.ts';

interface KindRule {
  readonly apiVersions: readonly string[];
  readonly isNamespaced: boolean;
  readonly read: (reader: ObjectReader, metadata: ObjectMeta, origin: Location, locate: Locate) => Resource;
}

const core = ['v1'];
const security = ['security.istio.io/v1', 'security.istio.io/v1beta1'];
const gatewayApi = ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'];
const networking = ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'];
const extensions = ['extensions.istio.io/v1alpha1'];

const kindRules: { readonly [K in ResourceKind]: KindRule } = {
  AuthorizationPolicy: { apiVersions: security, isNamespaced: true, read: readAuthorizationPolicy },
  BackendTLSPolicy: {
    apiVersions: [...gatewayApi, 'gateway.networking.k8s.io/v1alpha3'],
    isNamespaced: true,
    read: readBackendTLSPolicy,
  },
  DestinationRule: { apiVersions: networking, isNamespaced: true, read: readDestinationRule },
  EndpointSlice: { apiVersions: ['discovery.k8s.io/v1'], isNamespaced: true, read: readEndpointSlice },
  EnvoyFilter: { apiVersions: networking, isNamespaced: true, read: readEnvoyFilter },
  GRPCRoute: { apiVersions: gatewayApi, isNamespaced: true, read: readGRPCRoute },
  Gateway: { apiVersions: gatewayApi, isNamespaced: true, read: readGateway },
  GatewayClass: { apiVersions: gatewayApi, isNamespaced: false, read: readGatewayClass },
  HTTPRoute: { apiVersions: gatewayApi, isNamespaced: true, read: readHTTPRoute },
  ListenerSet: { apiVersions: gatewayApi, isNamespaced: true, read: readListenerSet },
  Namespace: { apiVersions: core, isNamespaced: false, read: readNamespace },
  Node: { apiVersions: core, isNamespaced: false, read: readNode },
  PeerAuthentication: { apiVersions: security, isNamespaced: true, read: readPeerAuthentication },
  Pod: { apiVersions: core, isNamespaced: true, read: readPod },
  RateLimitPolicy: { apiVersions: ['ambit.dev/v1alpha1'], isNamespaced: true, read: readRateLimitPolicy },
  ReferenceGrant: { apiVersions: gatewayApi, isNamespaced: true, read: readReferenceGrant },
  RequestAuthentication: { apiVersions: security, isNamespaced: true, read: readRequestAuthentication },
  Service: { apiVersions: core, isNamespaced: true, read: readService },
  ServiceAccount: { apiVersions: core, isNamespaced: true, read: readServiceAccount },
  ServiceEntry: { apiVersions: networking, isNamespaced: true, read: readServiceEntry },
  TCPRoute: {
    apiVersions: [...gatewayApi, 'gateway.networking.k8s.io/v1alpha2'],
    isNamespaced: true,
    read: readTCPRoute,
  },
  TLSRoute: {
    apiVersions: [...gatewayApi, 'gateway.networking.k8s.io/v1alpha2', 'gateway.networking.k8s.io/v1alpha3'],
    isNamespaced: true,
    read: readTLSRoute,
  },
  Telemetry: {
    apiVersions: ['telemetry.istio.io/v1', 'telemetry.istio.io/v1alpha1'],
    isNamespaced: true,
    read: readTelemetry,
  },
  UDPRoute: {
    apiVersions: [...gatewayApi, 'gateway.networking.k8s.io/v1alpha2'],
    isNamespaced: true,
    read: readUDPRoute,
  },
  TrafficExtension: { apiVersions: extensions, isNamespaced: true, read: readTrafficExtension },
  VirtualService: { apiVersions: networking, isNamespaced: true, read: readVirtualService },
  WasmPlugin: { apiVersions: extensions, isNamespaced: true, read: readWasmPlugin },
  WorkloadEntry: { apiVersions: networking, isNamespaced: true, read: readWorkloadEntry },
  ConfigMap: { apiVersions: core, isNamespaced: true, read: readConfigMap },
  Secret: { apiVersions: core, isNamespaced: true, read: readSecret },
};

/** All kinds, sorted. */
export const resourceKinds: readonly ResourceKind[] = [
  'AuthorizationPolicy',
  'BackendTLSPolicy',
  'ConfigMap',
  'DestinationRule',
  'EndpointSlice',
  'EnvoyFilter',
  'GRPCRoute',
  'Gateway',
  'GatewayClass',
  'HTTPRoute',
  'ListenerSet',
  'Namespace',
  'Node',
  'PeerAuthentication',
  'Pod',
  'RateLimitPolicy',
  'ReferenceGrant',
  'RequestAuthentication',
  'Secret',
  'Service',
  'ServiceAccount',
  'ServiceEntry',
  'TCPRoute',
  'TLSRoute',
  'Telemetry',
  'TrafficExtension',
  'UDPRoute',
  'VirtualService',
  'WasmPlugin',
  'WorkloadEntry',
];

/** Kind, namespace and name of an object, as far as it can be told without reading the rest. */
export interface ObjectIdentity {
  readonly kind: ResourceKind;
  /** `namespace/name`. */
  readonly name: string;
}

/**
 * - `known`: worth reading
 * - `foreign`: of a kind that is not used; already reported as a warning
 * - `nameless`: nobody can tell which object it was meant to be; already reported as an error
 */
export type Identification =
  | ({ readonly kind: 'known' } & { readonly identity: ObjectIdentity })
  | { readonly kind: 'foreign' | 'nameless' };

/** Finds out which object a plain value is meant to be, without validating it. */
export function identifyObject(value: unknown, sink: ProblemSink): Identification {
  if (!isPlainObject(value)) {
    sink.problem('error', 'invalid', [], 'this document must be a map with apiVersion, kind and metadata');
    return { kind: 'nameless' };
  }
  const { apiVersion, kind: kindName, metadata } = value;
  if (typeof kindName !== 'string' || kindName === '' || typeof apiVersion !== 'string') {
    sink.problem('error', 'invalid', [], 'this document needs the fields apiVersion and kind');
    return { kind: 'nameless' };
  }
  const kind = resourceKinds.find((candidate) => candidate === kindName);
  if (kind === undefined) {
    const near = nearestName(kindName, resourceKinds);
    const advice = near === undefined ? `known are ${resourceKinds.join(', ')}` : `did you mean ${near}?`;
    sink.problem('warning', 'unknown-kind', ['kind'], `kind ${kindName} is not used here and ignored; ${advice}`);
    return { kind: 'foreign' };
  }
  const rule = kindRules[kind];
  if (!rule.apiVersions.includes(apiVersion)) {
    const advice = `write apiVersion: ${rule.apiVersions[0] ?? ''}`;
    sink.problem(
      'warning',
      'unknown-kind',
      ['apiVersion'],
      `kind ${kind} of ${apiVersion} is not known and ignored; ${advice}`,
    );
    return { kind: 'foreign' };
  }
  if (!isPlainObject(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') {
    sink.problem('error', 'invalid', ['metadata'], `this ${kind} needs metadata.name, a string`);
    return { kind: 'nameless' };
  }
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default';
  return { kind: 'known', identity: { kind, name: objectName(rule.isNamespaced ? namespace : '', metadata['name']) } };
}

/**
 * Reads an identified object into its typed record. Every mistake goes to `sink`; the result is to be thrown away when
 * the sink saw an error.
 */
export function readResource(kind: ResourceKind, value: PlainObject, locate: Locate, sink: ProblemSink): Resource {
  const rule = kindRules[kind];
  const reader = new ObjectReader(value, [], sink);
  reader.ignore('apiVersion', 'kind');
  const metadata =
    reader.requiredObject('metadata', (body) => readObjectMeta(body, rule.isNamespaced)) ?? emptyMetadata;
  const resource = rule.read(reader, metadata, locate([]), locate);
  reader.finish();
  return resource;
}

const emptyMetadata: ObjectMeta = {
  name: '',
  namespace: '',
  labels: {},
  annotations: {},
  uid: undefined,
  creationTimestamp: undefined,
  generation: undefined,
  deletionTimestamp: undefined,
  generateName: undefined,
  ownerReferences: [],
};

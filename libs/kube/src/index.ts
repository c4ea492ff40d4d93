export { FolderSource, type FolderSourceOptions } from './folder-source.ts';
export { isCidrOrIp, isIpLiteral } from './ip-literal.ts';
export { formatLocation, formatPath, type Location, type Path } from './location.ts';
export { nearestName } from './nearest-name.ts';
export type { Labels, ObjectMeta, OwnerReference, ResourceBase } from './object-meta.ts';
export { isPlainObject, type PlainObject } from './object-reader.ts';
export { parseManifests } from './parse-manifests.ts';
export { readObject, type ObjectReading } from './read-object.ts';
export { resourceKinds } from './read-resource.ts';
export { compareReports, formatReport, type ReportCode, type SourceReport } from './report.ts';
export {
  objectName,
  resourceKey,
  resourceName,
  type Resource,
  type ResourceKind,
  type ResourceKinds,
} from './resource.ts';
export type { ResourceEvent, ResourceSource } from './resource-source.ts';
export { ResourceTable } from './resource-table.ts';
export type {
  AttributeValues,
  AuthorizationPolicy,
  PolicyAction,
  PolicyCondition,
  PolicyOperation,
  PolicyRule,
  PolicySource,
} from './resources/authorization-policy.ts';
export type { EndpointSlice, SliceEndpoint, SlicePort, TargetReference } from './resources/endpoint-slice.ts';
export type { ClientValidation, Gateway, GatewayAddress } from './resources/gateway.ts';
export type {
  AllowedNamespaces,
  GatewayListener,
  GatewayListenerStatus,
  ListenerTls,
  ObjectReference,
} from './resources/gateway-listener.ts';
export type { EnvoyFilter, TrafficExtension, WasmPlugin } from './resources/proxy-extension.ts';
export type { ListenerSet } from './resources/listener-set.ts';
export type { GatewayClass } from './resources/gateway-class.ts';
export {
  type LabelRequirement,
  type LabelSelector,
  matchesSelector,
  parseLabelSelector,
} from './resources/label-selector.ts';
export type { Namespace } from './resources/namespace.ts';
export type { Node } from './resources/node.ts';
export type { MutualTlsMode, PeerAuthentication } from './resources/peer-authentication.ts';
export type { Container, ContainerPort, Pod, PodPhase } from './resources/pod.ts';
export type { ServiceAccount } from './resources/service-account.ts';
export type {
  AllocatedAddress,
  ServiceEntry,
  ServiceEntryPort,
  ServiceEntryResolution,
} from './resources/service-entry.ts';
export type { Service, ServicePort } from './resources/service.ts';
export type { StatusCondition } from './resources/status-condition.ts';
export type { WorkloadEntry, WorkloadEntrySpec } from './resources/workload-entry.ts';
export { matchesLabels, type WorkloadSelector } from './resources/workload-selector.ts';
export type { BackendObject } from './resources/backend-ref.ts';
export type { RateLimitAttribute, RateLimitPolicy, RateLimitSpec } from './resources/rate-limit-policy.ts';
export type { SessionPersistenceSpec } from './resources/session-persistence.ts';
export type { BackendTLSPolicy } from './resources/backend-tls-policy.ts';
export type { ConfigMap } from './resources/config-map.ts';
export type { DestinationRule, SubsetSpec } from './resources/destination-rule.ts';
export type { GRPCRoute, GrpcRouteMatch, GrpcRouteRule } from './resources/grpc-route.ts';
export type { HTTPRoute, HttpRouteMatch, HttpRouteRule, RouteRetry } from './resources/http-route.ts';
export { gatewayGroup, type ParentRef, type RouteParentStatus } from './resources/parent-ref.ts';
export { groupOfTarget, isOfItsGroup, type PolicyTarget } from './resources/policy-target.ts';
export type { ReferenceGrant } from './resources/reference-grant.ts';
export type { JwtRuleSpec, RequestAuthentication } from './resources/request-authentication.ts';
export type { RouteBackend } from './resources/route-backend.ts';
export type { RouteFieldMatch } from './resources/route-field-match.ts';
export type { CorsRule, HeaderChanges, PathModifier, RouteFilter } from './resources/route-filter.ts';
export type { Secret } from './resources/secret.ts';
export type { StreamRouteRule, TCPRoute, TLSRoute, UDPRoute } from './resources/stream-route.ts';
export type {
  AccessLoggingSpec,
  MetricOverrideSpec,
  MetricsSpec,
  TagSource,
  Telemetry,
  TracingSpec,
} from './resources/telemetry.ts';
export type {
  BalancerSpec,
  ClientTlsSpec,
  HashKeySpec,
  OutlierSpec,
  PolicyParts,
  PoolSpec,
  TrafficPolicySpec,
} from './resources/traffic-policy.ts';
export type {
  CorsPolicy,
  FaultSpec,
  HeaderOperation,
  HeaderOperations,
  HttpRetry,
  TextCondition,
} from './resources/virtual-service-parts.ts';
export type {
  HttpMatchRequest,
  HttpRedirectSpec,
  HttpRewriteSpec,
  MirrorSpec,
  RouteDestination,
  StreamRule,
  VirtualService,
  VirtualServiceRoute,
  WeightedDestination,
} from './resources/virtual-service.ts';
export { podStatusFile, removePodStatus, writePodStatus, writeStatus, type PodStatusPart } from './status-writer.ts';
export type { ReviewedPod, ReviewedToken } from './api/reviewed-token.ts';
export {
  TokenReviewer,
  type TokenReviewClient,
  type TokenReviewCounts,
  type TokenReviewerOptions,
  type TokenReviewVerdict,
} from './api/token-review.ts';
export { apiKinds, describeRef, rawKinds, type ApiKind, type ObjectRef } from './api/api-kind.ts';
export {
  ApiServerSource,
  type ApiLog,
  type ApiServerSourceOptions,
  type KindSelection,
} from './api/api-server-source.ts';
export { clusterAccess, type ClusterAccess, type ClusterAccessOptions } from './api/cluster-access.ts';
export {
  KubeClient,
  type ApplyOptions,
  type CallOptions,
  type KubeClientOptions,
  type ListOptions,
  type Selection,
  type WatchOptions,
} from './api/kube-client.ts';
export { KubeError, type KubeErrorCode } from './api/kube-error.ts';
export { LeaderElection, type LeaderElectionOptions } from './api/leader-election.ts';
export type { ReadObject, Reflected } from './api/reflected-table.ts';
export {
  readRaw,
  Reflector,
  type ReflectorOptions,
  type ReflectorState,
  type ReflectorStatus,
} from './api/reflector.ts';

export type {
  ApplicationTunnel,
  CidrVip,
  GatewayAddress,
  LoadBalancing,
  LoadBalancingScope,
  Locality,
  NamespacedHostname,
  NetworkAddress,
  PortMap,
  Service,
  ServiceDescription,
  WeightedWaypoint,
  Workload,
} from './workload.ts';
export { gatewayText, isVisibleTo, loadBalancingScopes, serviceKey } from './workload.ts';
export { WorkloadError, type WorkloadErrorCode } from './workload-error.ts';
export { type Address, decodeAddress, maxAddressBytes } from './decode-address.ts';
export { type AddressBatch, changeCount } from './address-batch.ts';
export { WorkloadArena, type WorkloadArenaOptions } from './workload-arena.ts';
export { type LocalWorkloadWatcher, WorkloadStore, type WorkloadStoreOptions } from './workload-store.ts';
export { type EndpointCursor } from './endpoint-cursor.ts';
export { type Destination, findAddress, findHostname, type WorkloadView } from './workload-view.ts';
export { chooseEndpoint, type ChosenEndpoint, type ResolutionMode } from './choose-endpoint.ts';
export {
  addressText,
  type OutboundFacts,
  type OutboundInput,
  type OutboundPlan,
  type OutboundRejection,
  planOutbound,
  type TargetAddress,
} from './plan-outbound.ts';
export { type Authority, forwardedHost, parseAuthority } from './authority.ts';
export {
  type InboundInput,
  type InboundPlan,
  type InboundRejection,
  planInbound,
  resolveInbound,
  validateInbound,
} from './plan-inbound.ts';
export { guessInboundService, servicesOf } from './inbound-service.ts';
export { type NameAnswer, type NameQuestion, resolveName } from './resolve-name.ts';

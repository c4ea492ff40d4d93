export { type ContentVersion, createContentVersion } from './content-version.ts';
export {
  DeltaClient,
  type DeltaClientObserver,
  type DeltaClientOptions,
  type DeltaTypeHandler,
  type ReceivedResource,
  type Rejection,
} from './delta-client.ts';
export { type DecodedRequest, decodeRequest, encodeRequest, type RequestFields } from './delta-request.ts';
export {
  encodeResource,
  encodeResponse,
  type RawResource,
  type ResourceContent,
  type ScannedResponse,
  scanResponse,
} from './delta-response.ts';
export { deltaMethod } from './delta-method.ts';
export { DeltaServer, type DeltaServerOptions, REQUEST_BYTES } from './delta-server.ts';
export { ACCEPT_ENCODING, type ServedStream, type XdsCaller } from './served-stream.ts';
export { type DeltaServerObserver, DeltaSession, type SessionSink } from './delta-session.ts';
export {
  type DeltaConnector,
  type DeltaStream,
  grpcConnector,
  type Termination,
  type TerminationKind,
} from './delta-transport.ts';
export type { DemandOutcome } from './demanded-names.ts';
export type { NameResolver, ResolvedName } from './name-resolver.ts';
export { packBytes, type PackedBytes, unpackBytes } from './packed-bytes.ts';
export {
  type ResourceTypeSpec,
  ResourceStore,
  type StoreChange,
  StoredResource,
  type TypeUpdate,
  ztunnelTypes,
} from './resource-store.ts';
export type { SubscriptionRequest } from './subscription.ts';
export { ADDRESS_TYPE, AUTHORIZATION_TYPE, DESTINATION_TYPE, PROXY_TYPE, SERVER_TYPE } from './type-url.ts';
export { type EncodedResponse } from './response-encoder.ts';
export { XdsError, type XdsErrorCode } from './xds-error.ts';
export {
  checkNodeOwner,
  type GatewayIdentity,
  gatewayNode,
  type NodeKind,
  readNode,
  type XdsNode,
  type ZtunnelIdentity,
  ztunnelNode,
} from './xds-node.ts';

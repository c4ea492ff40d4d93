export { type CallContext } from './call-context.ts';
export { FRAME_PREFIX_BYTES, type FrameWriter, frameWriter, putFramePrefix } from './frame-writer.ts';
export { type ClientCertificate } from './channel-credentials.ts';
export { type CallOptions, GrpcChannel, type GrpcChannelOptions } from './grpc-channel.ts';
export { GrpcError, type GrpcStatus, grpcCodeOf, grpcStatusCode, toGrpcError } from './grpc-error.ts';
export { type GrpcHandler, type HandlerErrorListener, bidiHandler, unaryHandler } from './grpc-handler.ts';
export { GrpcServer, type GrpcServerOptions, type ListenOptions } from './grpc-server.ts';
export { type HealthRequest, type ServingStatus, healthCheckMethod, healthHandler } from './health.ts';
export {
  type TypedMethod,
  methodDefinition,
  serviceDefinition,
  withByteRequests,
  withByteResponses,
} from './method-definition.ts';
export { type ClientCertificateMode, type ServerTlsMaterial, TlsServerCredentials } from './server-credentials.ts';
export { type TokenSource, parseTokenSource } from './token-source.ts';
export { type TokenVerdict, TokenVerifier, type TokenVerifierOptions } from './token-verifier.ts';
export { type TrustRoots, parseTrustRoots } from './trust-roots.ts';
export type { ClientDuplexStream, MethodDefinition, ServerDuplexStream } from '@grpc/grpc-js';
export { type BoundPod, type ServiceAccountClaims } from './token-claims.ts';

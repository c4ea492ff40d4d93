export { type CallContext } from './call-context.ts';
export { FRAME_PREFIX_BYTES, frameOf, putFramePrefix } from './frame-prefix.ts';
export { type FrameWriter, frameWriter } from './frame-writer.ts';
export { GrpcChannel } from './grpc-channel.ts';
export {
  type CallOptions,
  type ClientCertificate,
  type GrpcClient,
  type GrpcClientOptions,
  type GrpcStream,
} from './grpc-client.ts';
export { GrpcError, type GrpcStatus, grpcCodeOf, grpcStatusCode, toGrpcError } from './grpc-error.ts';
export { type GrpcHandler, type HandlerErrorListener, bidiHandler, unaryHandler } from './grpc-handler.ts';
export { GrpcServer, type GrpcServerOptions, type ListenOptions } from './grpc-server.ts';
export { type HealthRequest, type ServingStatus, healthCheckMethod } from './health-check.ts';
export { healthHandler } from './health.ts';
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
export { healthMethod } from './rpc/health-method.ts';
export { RpcChannel } from './rpc/rpc-channel.ts';
export type { RpcCall, RpcMethod, RpcReceiver } from './rpc/rpc-call.ts';
export { RpcPort } from './rpc/rpc-port.ts';
export { grpcStatusOfHttp, statusText } from './wire-status.ts';

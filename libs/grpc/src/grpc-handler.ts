import type {
  MethodDefinition,
  ServerDuplexStream,
  ServerErrorResponse,
  ServiceDefinition,
  UntypedHandleCall,
  handleBidiStreamingCall,
  handleUnaryCall,
} from '@grpc/grpc-js';
import { type CallContext, callContext } from './call-context.ts';
import { GrpcError, grpcStatusCode } from './grpc-error.ts';

/** One RPC with its implementation, ready for {@link GrpcServer}. */
export interface GrpcHandler {
  readonly method: ServiceDefinition[string];
  readonly handle: (onError: HandlerErrorListener) => UntypedHandleCall;
}

/** Told about exceptions that are not a {@link GrpcError}: a bug, answered with INTERNAL and no detail. */
export type HandlerErrorListener = (path: string, error: unknown) => void;

/** Implements a unary RPC. Throw a {@link GrpcError} to choose the status; anything else becomes INTERNAL. */
export function unaryHandler<Req, Res>(
  method: MethodDefinition<Req, Res>,
  implementation: (request: Req, call: CallContext) => Promise<Res> | Res,
): GrpcHandler {
  return {
    method: method,
    handle: (onError) => {
      const handle: handleUnaryCall<Req, Res> = (call, callback) => {
        const answer = async (): Promise<Res> => implementation(call.request, callContext(call));
        answer().then(
          (response) => callback(null, response),
          (error: unknown) => callback(errorResponse(method.path, error, onError)),
        );
      };
      return handle;
    },
  };
}

/**
 * Implements a bidirectional stream. The promise's end closes the stream: fulfilled = OK, GrpcError = its status,
 * anything else = INTERNAL. The implementation reads `stream` as an async iterable or by events, and must respect
 * `stream.write() === false`.
 */
export function bidiHandler<Req, Res>(
  method: MethodDefinition<Req, Res>,
  implementation: (stream: ServerDuplexStream<Req, Res>, call: CallContext) => Promise<void>,
): GrpcHandler {
  return {
    method: method,
    handle: (onError) => {
      const handle: handleBidiStreamingCall<Req, Res> = (stream) => {
        // A message that does not decode is emitted as an error; without a listener it would end the process.
        stream.on('error', () => undefined);
        keepWritable(stream);
        const serve = async (): Promise<void> => implementation(stream, callContext(stream));
        serve().then(
          () => stream.end(),
          (error: unknown) => stream.emit('error', statusError(errorResponse(method.path, error, onError))),
        );
      };
      return handle;
    },
  };
}

function errorResponse(path: string, error: unknown, onError: HandlerErrorListener): ServerErrorResponse {
  const known = error instanceof GrpcError ? error : undefined;
  if (known === undefined) onError(path, error);
  const grpcStatus = known?.status ?? 'INTERNAL';
  const message = known?.message ?? 'internal error';
  return { name: grpcStatus, message, code: grpcStatusCode(grpcStatus), details: message };
}

function statusError(response: ServerErrorResponse): Error {
  return Object.assign(new Error(response.message), { code: response.code, details: response.details });
}

/** The usual `for await` over a duplex destroys it at the end, and then the status could not be sent any more. */
function keepWritable<Req, Res>(stream: ServerDuplexStream<Req, Res>): void {
  Object.defineProperty(stream, Symbol.asyncIterator, { value: () => stream.iterator({ destroyOnReturn: false }) });
}

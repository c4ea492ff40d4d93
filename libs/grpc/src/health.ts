import { GrpcError } from './grpc-error.ts';
import { type GrpcHandler, unaryHandler } from './grpc-handler.ts';
import { healthCheckMethod, type ServingStatus } from './health-check.ts';

/**
 * A handler that answers from `status`; it returns undefined for a service this server does not know.
 * The empty name asks for the server as a whole.
 */
export function healthHandler(status: (service: string) => ServingStatus | undefined): GrpcHandler {
  return unaryHandler(healthCheckMethod, ({ service }) => {
    const answer = status(service);
    if (answer === undefined) throw new GrpcError('NOT_FOUND', 'unknown service');
    return answer;
  });
}

import { frameOf } from '../frame-prefix.ts';
import { GrpcError } from '../grpc-error.ts';
import { healthCheckMethod } from '../health-check.ts';
import type { RpcMethod } from './rpc-call.ts';

/** `grpc.health.v1.Health/Check` of a server that serves as long as it answers; it knows no service but itself as a whole. */
export const healthMethod: RpcMethod = {
  path: healthCheckMethod.path,
  serve: (call) => ({
    receive: (message) => {
      const { service } = healthCheckMethod.requestDeserialize(Buffer.from(message));
      if (service !== '') throw new GrpcError('NOT_FOUND', 'unknown service');
      call.open().write(frameOf(healthCheckMethod.responseSerialize('SERVING')));
      call.finish();
    },
    close: () => undefined,
  }),
};

import { FRAME_PREFIX_BYTES, healthCheckMethod, putFramePrefix } from '@ambit/grpc';
import { GrpcError } from '@ambit/grpc';
import type { RpcMethod } from './rpc-call.ts';

/** `grpc.health.v1.Health/Check` of a server that serves as long as it answers; it knows no service but itself as a whole. */
export const healthMethod: RpcMethod = {
  path: healthCheckMethod.path,
  serve: (call) => ({
    receive: (message) => {
      const { service } = healthCheckMethod.requestDeserialize(Buffer.from(message));
      if (service !== '') throw new GrpcError('NOT_FOUND', 'unknown service');
      const answer = healthCheckMethod.responseSerialize('SERVING');
      const frame = new Uint8Array(FRAME_PREFIX_BYTES + answer.length);
      putFramePrefix(frame, answer.length);
      frame.set(answer, FRAME_PREFIX_BYTES);
      call.open().write(frame);
      call.finish();
    },
    close: () => undefined,
  }),
};

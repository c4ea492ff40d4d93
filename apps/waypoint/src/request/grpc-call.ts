/** A gRPC call of the proxy's own: one message there, one back. */
import { FieldList, type RequestHead } from '@ambit/exchange';
import { FRAME_PREFIX_BYTES } from '@ambit/grpc';

import { grpcStatusOf } from './grpc-request.ts';
import type { UnaryAnswer, UnaryPeer } from './unary-exchange.ts';

/** Most digits that `grpc-timeout` may have. Spec: gRPC over HTTP/2. */
const longestTimeoutMs = 99_999_999;

/** `method` is the path: `/package.Service/Method`. */
export function grpcCallHead({ target, timeoutMs }: UnaryPeer, method: string): RequestHead {
  const fields = new FieldList();
  fields.add('content-type', 'application/grpc');
  fields.add('te', 'trailers');
  fields.add('grpc-timeout', `${Math.min(Math.ceil(timeoutMs), longestTimeoutMs)}m`);
  return {
    method: 'POST',
    scheme: 'http',
    authority: `${target.hostname}:${target.port}`,
    target: method,
    fields,
    protocol: 'HTTP/2',
    contentLength: undefined,
    hasBody: true,
    upgrade: undefined,
    expectsContinue: false,
  };
}

/** The message of an answer as `decode` reads it; undefined for anything but status OK and one whole message. */
export function grpcAnswer<T>(answer: UnaryAnswer | undefined, decode: (bytes: Uint8Array) => T): T | undefined {
  if (answer === undefined) return undefined;
  const { head, body, trailers } = answer;
  if (head.status !== 200 || (grpcStatusOf(trailers) ?? grpcStatusOf(head.fields)) !== 0) return undefined;
  if (body.length < FRAME_PREFIX_BYTES || body[0] !== 0) return undefined;
  if (body.readUInt32BE(1) !== body.length - FRAME_PREFIX_BYTES) return undefined;
  try {
    return decode(body.subarray(FRAME_PREFIX_BYTES));
  } catch {
    return undefined;
  }
}

/**
 * `grpc.health.v1.Health/Check` for load balancers and probes. `Watch` is not offered: nothing in the mesh uses it.
 *
 * The two messages have one field each, so they are coded here instead of adding a schema and a second protobuf runtime.
 * Spec: grpc/doc/health-checking.md.
 */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MethodDefinition } from '@grpc/grpc-js';

/** State of one service; UNKNOWN services answer NOT_FOUND. */
export type ServingStatus = 'SERVING' | 'NOT_SERVING';

const WIRE_VALUE: Readonly<Record<ServingStatus, number>> = { SERVING: 1, NOT_SERVING: 2 };

/** Asks for one service; the empty name asks for the server as a whole. */
export interface HealthRequest {
  readonly service: string;
}

/** The Check method. */
export const healthCheckMethod: MethodDefinition<HealthRequest, ServingStatus> = {
  path: '/grpc.health.v1.Health/Check',
  requestStream: false,
  responseStream: false,
  requestSerialize: ({ service }) => Buffer.from(new BinaryWriter().tag(1, 2).string(service).finish()),
  requestDeserialize: decodeRequest,
  responseSerialize: (status) => Buffer.from(new BinaryWriter().tag(1, 0).int32(WIRE_VALUE[status]).finish()),
  responseDeserialize: decodeResponse,
};

function decodeRequest(bytes: Uint8Array): HealthRequest {
  const reader = new BinaryReader(bytes);
  let service = '';
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === 2) service = reader.string();
    else reader.skip(wireType);
  }
  return { service };
}

function decodeResponse(bytes: Uint8Array): ServingStatus {
  const reader = new BinaryReader(bytes);
  let value = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === 0) value = reader.int32();
    else reader.skip(wireType);
  }
  return value === WIRE_VALUE.SERVING ? 'SERVING' : 'NOT_SERVING';
}

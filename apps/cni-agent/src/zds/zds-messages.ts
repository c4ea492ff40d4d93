/** The bytes of ZDS: one protobuf message per packet, no framing. Pure. Spec: data-plane contract 3.2. */
import { zds } from '@ambit/api';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ZdsError } from './zds-error.ts';

/** Both sides read with a buffer of this size; a longer packet is an error. */
export const MAX_PACKET_BYTES = 1024;

export interface ZdsWorkload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Travels with the descriptor of the pod's network namespace. */
export function encodeAdd(workload: ZdsWorkload): Uint8Array {
  const { uid, name, namespace, serviceAccount } = workload;
  const workloadInfo = create(zds.WorkloadInfoSchema, { name, namespace, serviceAccount });
  return encode({ case: 'add', value: create(zds.AddWorkloadSchema, { uid, workloadInfo }) });
}

/** Only inside a snapshot: the pod lives, but its namespace was not found. */
export function encodeKeep(uid: string): Uint8Array {
  return encode({ case: 'keep', value: create(zds.KeepWorkloadSchema, { uid }) });
}

export function encodeDel(uid: string): Uint8Array {
  return encode({ case: 'del', value: create(zds.DelWorkloadSchema, { uid }) });
}

export function encodeSnapshotSent(): Uint8Array {
  return encode({ case: 'snapshotSent', value: create(zds.SnapshotSentSchema) });
}

/** @throws ZdsError `ZDS_PROTOCOL` unless the packet is the hello of version 1. */
export function decodeHello(packet: Uint8Array): void {
  const { version } = decode(() => fromBinary(zds.ZdsHelloSchema, packet), 'hello');
  if (version !== zds.Version.V1)
    throw new ZdsError('ZDS_PROTOCOL', `ztunnel speaks ZDS version ${version}, this agent speaks 1`);
}

/**
 * The error text of an acknowledgement; empty means success.
 * @throws ZdsError `ZDS_PROTOCOL` when the packet is anything else.
 */
export function decodeAck(packet: Uint8Array): string {
  const { payload } = decode(() => fromBinary(zds.WorkloadResponseSchema, packet), 'answer');
  if (payload.case !== 'ack') throw new ZdsError('ZDS_PROTOCOL', 'ztunnel sent an answer without an acknowledgement');
  return payload.value.error;
}

function encode(payload: zds.WorkloadRequest['payload']): Uint8Array {
  return toBinary(zds.WorkloadRequestSchema, create(zds.WorkloadRequestSchema, { payload }));
}

function decode<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (cause) {
    throw new ZdsError('ZDS_PROTOCOL', `ztunnel sent a ${what} that cannot be read`, cause);
  }
}

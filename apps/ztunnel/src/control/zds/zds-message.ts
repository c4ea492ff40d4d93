/**
 * The packets between node agent and node proxy. Pure; one packet is one message.
 *
 * Istio: ZDS, package istio.workload.zds. Hello is `08 01` unwrapped, a success ack `0a 00`.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { zds } from '@ambit/api';

/** Who runs in a pod; the workload resource is found by these three names. */
export interface PodInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export type ZdsRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly info: PodInfo }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'del'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' };

export type DecodedRequest =
  | { readonly kind: 'request'; readonly request: ZdsRequest }
  | { readonly kind: 'violation'; readonly text: string };

/** Largest packet either side sends or reads, in bytes. */
export const MAX_PACKET_BYTES = 1024;

export function encodeHello(): Uint8Array {
  return toBinary(zds.ZdsHelloSchema, create(zds.ZdsHelloSchema, { version: zds.Version.V1 }));
}

/** An empty error is success. Text is cut so that the packet stays within what the agent reads. */
export function encodeAck(error: string): Uint8Array {
  const text = Buffer.from(error)
    .subarray(0, MAX_PACKET_BYTES - 32)
    .toString();
  return toBinary(
    zds.WorkloadResponseSchema,
    create(zds.WorkloadResponseSchema, { payload: { case: 'ack', value: { error: text } } }),
  );
}

/** Decodes a packet; the number of descriptors that came with it decides whether it is legal. */
export function decodeRequest(packet: Uint8Array, descriptors: number): DecodedRequest {
  let message: zds.WorkloadRequest;
  try {
    message = fromBinary(zds.WorkloadRequestSchema, packet);
  } catch (cause) {
    return violation(`undecodable message: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const { payload } = message;
  if (payload.case !== 'add' && descriptors !== 0)
    return violation(`${descriptors} descriptors came with a message that takes none`);
  switch (payload.case) {
    case 'add': {
      const { uid, workloadInfo } = payload.value;
      if (descriptors !== 1) return violation(`add needs exactly one descriptor, got ${descriptors}`);
      if (!workloadInfo) return violation('add without workload info');
      const { name, namespace, serviceAccount } = workloadInfo;
      return accepted({ kind: 'add', uid, info: { name, namespace, serviceAccount } });
    }
    case 'keep':
      return accepted({ kind: 'keep', uid: payload.value.uid });
    case 'del':
      return accepted({ kind: 'del', uid: payload.value.uid });
    case 'snapshotSent':
      return accepted({ kind: 'snapshot-sent' });
    case undefined:
      return violation('message without a payload');
  }
}

function accepted(request: ZdsRequest): DecodedRequest {
  return { kind: 'request', request };
}

function violation(text: string): DecodedRequest {
  return { kind: 'violation', text };
}

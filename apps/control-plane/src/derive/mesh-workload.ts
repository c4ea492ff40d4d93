import { workload } from '@ambit/api';
import { compareText } from '@ambit/collections';
import { packBytes, type PackedBytes, unpackBytes } from '@ambit/xds';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';

/** A workload as it is sent. There may be a hundred thousand of them, so nothing is kept beside the bytes. */
export class MeshWorkload {
  readonly uid: string;
  /** The encoded Address, which the store shares. */
  readonly packed: PackedBytes;

  constructor(uid: string, packed: PackedBytes) {
    this.uid = uid;
    this.packed = packed;
  }

  /** A copy of the encoded Address. */
  get bytes(): Uint8Array {
    return unpackBytes(this.packed);
  }
}

/** The message of a workload, decoded anew. */
export function workloadMessage({ uid, bytes }: MeshWorkload): workload.Workload {
  const { type } = fromBinary(workload.AddressSchema, bytes);
  if (type.case !== 'workload') throw new Error(`${uid} is no workload`);
  return type.value;
}

/** Ports by service key. */
export type ServicePorts = readonly (readonly [key: string, ports: workload.PortList])[];

/**
 * Finishes a workload: services sorted by key, so that equal content gives equal bytes on every replica, and the
 * default trust domain left empty as istiod does.
 */
export function meshWorkload(message: workload.Workload, services: ServicePorts): MeshWorkload {
  message.services = Object.fromEntries(services.toSorted(([a], [b]) => compareText(a, b)));
  const address = create(workload.AddressSchema, { type: { case: 'workload', value: message } });
  return new MeshWorkload(message.uid, packBytes(toBinary(workload.AddressSchema, address)));
}

/** Trust domain on the wire: the default one is empty. */
export function wireTrustDomain(trustDomain: string): string {
  return trustDomain === 'cluster.local' ? '' : trustDomain;
}

/** The same of workloads. */
export function haveSamePacked(a: MeshWorkload, b: MeshWorkload): boolean {
  return a.packed === b.packed;
}

/** Byte equality, which is all that matters to those who are sent a resource. */
export function haveSameBytes(a: { readonly bytes: Uint8Array }, b: { readonly bytes: Uint8Array }): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}

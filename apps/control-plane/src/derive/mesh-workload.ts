import { isDeepStrictEqual } from 'node:util';
import { workload } from '@ambit/api';
import { compareText } from '@ambit/collections';
import { packBytes, type PackedBytes, unpackBytes } from '@ambit/xds';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';

/** A workload as it is sent. There may be a hundred thousand of them, so nothing is kept beside the bytes. */
export class MeshWorkload {
  readonly uid: string;
  /** The encoded Address, which the store shares. */
  readonly packed: PackedBytes;

  /** What policies of waypoints have to know of it beside their own objects; undefined for nearly all. */
  readonly openings: readonly Opening[] | undefined;

  constructor(uid: string, packed: PackedBytes, openings?: readonly Opening[]) {
    this.uid = uid;
    this.packed = packed;
    this.openings = openings;
  }

  /** A copy of the encoded Address. */
  get bytes(): Uint8Array {
    return unpackBytes(this.packed);
  }
}

/** What one workload adds to a policy that closes it, and others, to who has gone past a waypoint. See `past-waypoint.ts`. */
export interface Opening {
  /** `namespace/name` of the policy. */
  readonly policy: string;
  /** Ports that it closes, beside those which the service itself tells. */
  readonly ports: readonly number[];
  /** `namespace/name` of further waypoints that come to this workload. */
  readonly waypoints: readonly string[];
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
export function meshWorkload(
  message: workload.Workload,
  services: ServicePorts,
  openings: readonly Opening[] = [],
): MeshWorkload {
  message.services = Object.fromEntries(services.toSorted(([a], [b]) => compareText(a, b)));
  const address = create(workload.AddressSchema, { type: { case: 'workload', value: message } });
  const packed = packBytes(toBinary(workload.AddressSchema, address));
  return new MeshWorkload(message.uid, packed, openings.length === 0 ? undefined : openings);
}

/** Trust domain on the wire: the default one is empty. */
export function wireTrustDomain(trustDomain: string): string {
  return trustDomain === 'cluster.local' ? '' : trustDomain;
}

/** The same of workloads. */
export function haveSamePacked(a: MeshWorkload, b: MeshWorkload): boolean {
  return a.packed === b.packed && (a.openings === b.openings || isDeepStrictEqual(a.openings, b.openings));
}

/** Byte equality, which is all that matters to those who are sent a resource. */
export function haveSameBytes(a: { readonly bytes: Uint8Array }, b: { readonly bytes: Uint8Array }): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}

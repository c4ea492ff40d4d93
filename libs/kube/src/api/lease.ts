/** The record of a Lease object as leader election uses it. Pure. Spec: coordination.k8s.io/v1 LeaseSpec. */
import { isPlainObject, type PlainObject } from '../object-reader.ts';

/** Who holds a lease. */
export interface LeaseRecord {
  /** Empty: nobody. */
  readonly holder: string;
  readonly durationSec: number;
  /** RFC 3339 with microseconds, as written by the holder; only compared, never interpreted. */
  readonly renewTime: string;
  readonly transitions: number;
  readonly acquireTime: string;
  readonly resourceVersion: string;
}

/** Reads what the API server has; missing fields count as empty, so that a foreign lease is taken only after a wait. */
export function readLease(object: unknown): LeaseRecord {
  const spec = fieldsOf(object, 'spec');
  const metadata = fieldsOf(object, 'metadata');
  return {
    holder: textOf(spec['holderIdentity']),
    durationSec: numberOf(spec['leaseDurationSeconds']),
    renewTime: textOf(spec['renewTime']),
    transitions: numberOf(spec['leaseTransitions']),
    acquireTime: textOf(spec['acquireTime']),
    resourceVersion: textOf(metadata['resourceVersion']),
  };
}

/** The object to write for a record. */
export function leaseObject(namespace: string, name: string, record: LeaseRecord): PlainObject {
  const { holder, durationSec, renewTime, acquireTime, transitions, resourceVersion } = record;
  return {
    metadata: { namespace, name, ...(resourceVersion === '' ? {} : { resourceVersion }) },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: durationSec,
      acquireTime,
      renewTime,
      leaseTransitions: transitions,
    },
  };
}

/** The form of MicroTime. */
export function microTime(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString().replace('Z', '000Z');
}

function fieldsOf(object: unknown, key: string): PlainObject {
  const value = isPlainObject(object) ? object[key] : undefined;
  return isPlainObject(value) ? value : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : 0;
}

import type { ObjectReader } from '../object-reader.ts';

/** An object that takes requests. */
export interface BackendObject {
  /** Empty for the core group. */
  readonly group: string;
  readonly kind: string;
  /** Undefined: that of the object which refers to it. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly port: number | undefined;
}

/** Reads a reference to a backend; fields of a weighted reference are left to the caller. */
export function readBackendObject(reader: ObjectReader): BackendObject {
  return {
    group: reader.string('group') ?? '',
    kind: reader.string('kind') ?? 'Service',
    namespace: reader.string('namespace'),
    name: reader.requiredString('name'),
    port: reader.port('port'),
  };
}

/** The largest weight the Gateway API knows. */
export const maxWeight = 1_000_000;

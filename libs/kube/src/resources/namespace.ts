import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** A namespace: its labels enrol pods and carry defaults. */
export type Namespace = ResourceBase<'Namespace'>;

export function readNamespace(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Namespace {
  reader.ignore('spec', 'status');
  return { kind: 'Namespace', metadata, origin };
}

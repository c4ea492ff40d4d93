import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** A service account: a name that identities are made of. */
export type ServiceAccount = ResourceBase<'ServiceAccount'>;

export function readServiceAccount(reader: ObjectReader, metadata: ObjectMeta, origin: Location): ServiceAccount {
  reader.ignore('secrets', 'imagePullSecrets', 'automountServiceAccountToken');
  return { kind: 'ServiceAccount', metadata, origin };
}

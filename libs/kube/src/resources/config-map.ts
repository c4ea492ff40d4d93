import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** The part of a ConfigMap that gateways need: trust roots; nothing else of it is kept. */
export interface ConfigMap extends ResourceBase<'ConfigMap'> {
  /** PEM under `ca.crt`. */
  readonly rootsPem: string | undefined;
  /** PEM under `ca.crl`: revocation lists beside the roots. */
  readonly revocationsPem: string | undefined;
}

export function readConfigMap(reader: ObjectReader, metadata: ObjectMeta, origin: Location): ConfigMap {
  reader.ignore('immutable', 'binaryData', 'status');
  const data = reader.object('data', (body) => body.openStringMap(['ca.crt', 'ca.crl']));
  return { kind: 'ConfigMap', metadata, origin, rootsPem: data?.['ca.crt'], revocationsPem: data?.['ca.crl'] };
}

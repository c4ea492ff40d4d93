import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** The parts of a Secret that gateways need; nothing else of it is kept. Never to be logged. */
export interface Secret extends ResourceBase<'Secret'> {
  /** `kubernetes.io/tls`, `Opaque` ... */
  readonly type: string;
  /** PEM; undefined when the Secret has no such key. */
  readonly certificateChainPem: string | undefined;
  readonly privateKeyPem: string | undefined;
  readonly rootsPem: string | undefined;
  /** Revocation lists beside the roots. */
  readonly revocationsPem: string | undefined;
}

/** Keys as Kubernetes names them, then as Istio does. */
const names = {
  chain: ['tls.crt', 'cert'],
  key: ['tls.key', 'key'],
  roots: ['ca.crt', 'cacert'],
  revocations: ['ca.crl', 'crl'],
} as const;

export function readSecret(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Secret {
  reader.ignore('immutable', 'status');
  const encoded = reader.object('data', readEntries) ?? {};
  const plain = reader.object('stringData', readEntries) ?? {};
  const find = (keys: readonly string[]): string | undefined => {
    for (const key of keys) {
      const text = plain[key];
      const base64 = encoded[key];
      if (text !== undefined) return text;
      if (base64 !== undefined) return Buffer.from(base64, 'base64').toString('utf8');
    }
    return undefined;
  };
  const certificateChainPem = find(names.chain);
  return {
    kind: 'Secret',
    metadata,
    origin,
    type: reader.string('type') ?? 'Opaque',
    certificateChainPem,
    // What is called a key without a certificate may be anything.
    privateKeyPem: certificateChainPem === undefined ? undefined : find(names.key),
    rootsPem: find(names.roots),
    revocationsPem: find(names.revocations),
  };
}

function readEntries(reader: ObjectReader): Readonly<Record<string, string>> {
  return reader.openStringMap(Object.values(names).flat());
}

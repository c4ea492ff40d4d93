import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { watchDirectory } from '@ambit/runtime';
import { GrpcError } from './grpc-error.ts';

/** Where a client's TLS trust anchors come from. */
export type TrustRoots =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inline'; readonly pem: string }
  | { readonly kind: 'system' };

/**
 * Reads the settings `XDS_ROOT_CA` and `CA_ROOT_CA`: the word `SYSTEM`, inline PEM, or a file path.
 * Istio: ztunnel configuration.
 */
export function parseTrustRoots(setting: string): TrustRoots {
  if (setting === 'SYSTEM') return { kind: 'system' };
  if (setting.includes('-----BEGIN CERTIFICATE-----')) return { kind: 'inline', pem: setting };
  return { kind: 'file', path: setting };
}

/** Returns the trust anchors as PEM. Throws GrpcError UNAVAILABLE if the file is missing or holds no certificate. */
export function loadTrustRoots(roots: TrustRoots): string | string[] {
  switch (roots.kind) {
    case 'system':
      // Not imported: Node's TLS is several MiB that most processes of the mesh do without.
      return [...process.getBuiltinModule('node:tls').rootCertificates];
    case 'inline':
      return roots.pem;
    case 'file':
      return readRootFile(roots.path);
  }
}

/**
 * Calls `onChange` two seconds after the last change in the directory of a root file; does nothing for other kinds.
 * Istio: ztunnel watches the parent directory because ConfigMap updates swap a symlink.
 */
export function watchTrustRoots(roots: TrustRoots, onChange: () => void, debounceMs = 2000): Disposable {
  if (roots.kind !== 'file') return { [Symbol.dispose]: () => undefined };
  return watchDirectory(dirname(roots.path), { debounceMs, onChange });
}

function readRootFile(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw new GrpcError('UNAVAILABLE', `cannot read the trust roots ${path}`, { cause: error });
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new GrpcError('UNAVAILABLE', `the trust root file ${path} holds no certificate`);
  }
  return pem;
}

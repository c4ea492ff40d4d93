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
 * Says whether the directory of a root file has changed, two seconds after its last change; other kinds never do.
 * Istio: ztunnel watches the parent directory because ConfigMap updates swap a symlink.
 *
 * Owner: whoever makes it disposes it.
 */
export class TrustRootsWatch implements Disposable {
  /** Set back by whoever has taken the new roots. */
  hasChanged = false;
  readonly #watch: Disposable | undefined;

  constructor(roots: TrustRoots | undefined, debounceMs: number = 2000) {
    if (roots?.kind !== 'file') return;
    const onChange = (): void => {
      this.hasChanged = true;
    };
    this.#watch = watchDirectory(dirname(roots.path), { debounceMs, onChange });
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }
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

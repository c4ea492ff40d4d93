/**
 * Reads CA key material from a directory in either of its two layouts; the presence of `tls.crt` chooses.
 * Spec: control-plane contract 6.4.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaError } from '../ca-error.ts';
import type { MaterialPem } from './signing-material.ts';

/** File names of the plug-in layout. */
export const pluginFiles = {
  signingCertificate: 'ca-cert.pem',
  signingKey: 'ca-key.pem',
  roots: 'root-cert.pem',
  chain: 'cert-chain.pem',
} as const;

const TLS_FILES = ['tls.crt', 'tls.key', 'ca.crt'] as const;

/** True if any file of key material is there: then the set must be complete. */
export function hasKeyMaterial(directory: string): boolean {
  return [...Object.values(pluginFiles), ...TLS_FILES].some((name) => existsSync(join(directory, name)));
}

/** Reads a complete set. Throws CaError KEY_MATERIAL_INCOMPLETE naming the files that are missing. */
export function readKeyDirectory(directory: string): MaterialPem {
  if (existsSync(join(directory, 'tls.crt'))) {
    const [certificate, key, roots] = readAll(directory, TLS_FILES);
    return { signingCertificate: certificate, signingKey: key, roots, chain: certificate + roots };
  }
  const { signingCertificate, signingKey, roots, chain } = pluginFiles;
  const [certificate, key, root, links] = readAll(directory, [signingCertificate, signingKey, roots, chain]);
  return { signingCertificate: certificate, signingKey: key, roots: root, chain: links };
}

type Texts<Names extends readonly string[]> = { readonly [Index in keyof Names]: string };

function readAll<const Names extends readonly string[]>(directory: string, names: Names): Texts<Names> {
  const missing: string[] = [];
  const texts = names.map((name) => {
    try {
      return readFileSync(join(directory, name), 'utf8');
    } catch {
      missing.push(name);
      return '';
    }
  });
  if (missing.length > 0) {
    throw new CaError(
      'KEY_MATERIAL_INCOMPLETE',
      `${directory} lacks ${missing.join(', ')}; needed are ${names.join(', ')} (readable by this process)`,
    );
  }
  // `map` over a tuple keeps its length, which the compiler cannot express.
  return texts as unknown as Texts<Names>;
}

/**
 * The names under which CA key material is kept, in files or in a Secret, in either of its two layouts; the presence of
 * `tls.crt` chooses. Spec: control-plane contract 6.4.
 */
import { CaError } from '../ca-error.ts';
import type { MaterialPem } from './signing-material.ts';

/** Names of the plug-in layout. */
export const pluginNames = {
  signingCertificate: 'ca-cert.pem',
  signingKey: 'ca-key.pem',
  roots: 'root-cert.pem',
  chain: 'cert-chain.pem',
} as const;

const TLS_NAMES = ['tls.crt', 'tls.key', 'ca.crt'] as const;

/** All names a set may have. */
export const keySetNames: readonly string[] = [...Object.values(pluginNames), ...TLS_NAMES];

/**
 * Picks a complete set. `read` gives undefined for what is not there or cannot be read.
 * Throws CaError KEY_MATERIAL_INCOMPLETE naming what is missing in `place`.
 */
export function readKeySet(place: string, read: (name: string) => string | undefined): MaterialPem {
  if (read('tls.crt') !== undefined) {
    const [certificate, key, roots] = readAll(place, TLS_NAMES, read);
    return { signingCertificate: certificate, signingKey: key, roots, chain: certificate + roots };
  }
  const { signingCertificate, signingKey, roots, chain } = pluginNames;
  const [certificate, key, root, links] = readAll(place, [signingCertificate, signingKey, roots, chain], read);
  return { signingCertificate: certificate, signingKey: key, roots: root, chain: links };
}

type Texts<Names extends readonly string[]> = { readonly [Index in keyof Names]: string };

function readAll<const Names extends readonly string[]>(
  place: string,
  names: Names,
  read: (name: string) => string | undefined,
): Texts<Names> {
  const missing: string[] = [];
  const texts = names.map((name) => {
    const text = read(name);
    if (text === undefined) missing.push(name);
    return text ?? '';
  });
  if (missing.length > 0) {
    throw new CaError(
      'KEY_MATERIAL_INCOMPLETE',
      `${place} lacks ${missing.join(', ')}; needed are ${names.join(', ')} (readable by this process)`,
    );
  }
  // `map` over a tuple keeps its length, which the compiler cannot express.
  return texts as unknown as Texts<Names>;
}

/** The set under the names of the plug-in layout. */
export function writeKeySet(material: MaterialPem): Readonly<Record<string, string>> {
  return {
    [pluginNames.signingCertificate]: material.signingCertificate,
    [pluginNames.signingKey]: material.signingKey,
    [pluginNames.roots]: material.roots,
    [pluginNames.chain]: material.chain,
  };
}

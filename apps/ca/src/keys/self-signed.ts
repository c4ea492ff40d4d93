/** A CA of its own: key and root made at start, in memory, or kept in a directory when the operator asks for that. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePem, selfSignAuthority } from '@ambit/identity';
import { CaError } from '../ca-error.ts';
import { readKeyDirectory } from './key-directory.ts';
import { pluginNames } from './key-set.ts';
import type { MaterialPem } from './signing-material.ts';

const DAY_MS = 86_400_000;
/** Istio: CITADEL_SELF_SIGNED_CA_CERT_TTL. */
const ROOT_LIFETIME_MS = 3650 * DAY_MS;
const BACKDATE_MS = 120_000;

/** Makes a P-256 key and its self-signed root with subject `O=<trust domain>`. */
export function makeSelfSigned(trustDomain: string, wallTimeMs: number): MaterialPem {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const root = selfSignAuthority(
    {
      publicKey,
      organization: trustDomain,
      notBeforeMs: wallTimeMs - BACKDATE_MS,
      notAfterMs: wallTimeMs + ROOT_LIFETIME_MS,
    },
    privateKey,
  );
  const pem = encodePem('CERTIFICATE', root.der);
  const signingKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { signingCertificate: pem, signingKey, roots: pem, chain: '' };
}

/**
 * Writes a set into a directory in the plug-in layout, the directory 0700 and each file 0600. Of several replicas that
 * start at once one writes the key and the others load the winner's set. Returns what is in force afterwards.
 */
export function saveSelfSigned(directory: string, material: MaterialPem): MaterialPem {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const write = (name: string, text: string): void =>
    writeFileSync(join(directory, name), text, { mode: 0o600, flag: 'wx' });
  try {
    // The key is written first: it is the lock.
    write(pluginNames.signingKey, material.signingKey);
  } catch (error) {
    if (existsSync(join(directory, pluginNames.signingKey))) return readKeyDirectory(directory);
    throw new CaError('KEY_MATERIAL_INCOMPLETE', `cannot write CA key material to ${directory}`, { cause: error });
  }
  write(pluginNames.signingCertificate, material.signingCertificate);
  write(pluginNames.roots, material.roots);
  write(pluginNames.chain, material.chain);
  return material;
}

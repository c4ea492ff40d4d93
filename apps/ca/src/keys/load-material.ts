import { type Clock, watchDirectory } from '@ambit/runtime';
import type { CertificateAuthority } from '../issue/certificate-authority.ts';
import { hasKeyMaterial, readKeyDirectory } from './key-directory.ts';
import { makeSelfSigned, saveSelfSigned } from './self-signed.ts';
import { type SigningMaterial, checkMaterial } from './signing-material.ts';

/** Where key material comes from; with neither directory a self-signed CA lives in memory. */
export interface MaterialSource {
  /** Must hold a complete set. Istio: ROOT_CA_DIR. */
  readonly keyDirectory: string | undefined;
  /** Holds a complete set, or nothing: then a self-signed CA is made and kept in it. */
  readonly stateDirectory: string | undefined;
  readonly trustDomain: string;
}

/** Loads or makes the material at start. Throws CaError KEY_MATERIAL_INCOMPLETE or KEY_MATERIAL_INVALID. */
export function loadMaterial(source: MaterialSource, clock: Clock): SigningMaterial {
  const now = clock.wallTimeMs();
  const { keyDirectory, stateDirectory, trustDomain } = source;
  if (keyDirectory !== undefined) return checkMaterial(readKeyDirectory(keyDirectory), now);
  if (stateDirectory === undefined) return checkMaterial(makeSelfSigned(trustDomain, now), now);
  if (hasKeyMaterial(stateDirectory)) return checkMaterial(readKeyDirectory(stateDirectory), now);
  return checkMaterial(saveSelfSigned(stateDirectory, makeSelfSigned(trustDomain, now)), now);
}

/** Quiet time after a change; kubelet swaps a symlink, people copy several files. Istio: 100 ms. */
const DEBOUNCE_MS = 100;

/**
 * Gives new material to the authority when the directory changes. Material that is incomplete or refused is reported and
 * the old one stays in force. Disposing stops.
 */
export function followMaterial(
  directory: string,
  authority: CertificateAuthority,
  clock: Clock,
  onRefused: (error: unknown) => void,
): Disposable {
  return watchDirectory(directory, {
    debounceMs: DEBOUNCE_MS,
    onChange: () => {
      try {
        authority.replace(checkMaterial(readKeyDirectory(directory), clock.wallTimeMs()));
      } catch (error) {
        onRefused(error);
      }
    },
  });
}

import type { Clock } from '@ambit/runtime';
import { makeSelfSigned } from './self-signed.ts';
import type { MaterialPem } from './signing-material.ts';

/** Makes the set of keys that the CA keeps for itself when the operator brings none. */
export interface SetMaker {
  /** Secret that keeps the set, and its type. */
  readonly secretName: string;
  readonly secretType: string;
  /** Secret of a set that was made another way before; it stays in use until the new set has been introduced. */
  readonly supersedes: string;
  /** A new set is made when less than this part of the signing certificate's life is left; below 1. */
  readonly renewAtPart: number;
  /** Makes a set with a new key. Rejects with CaError UPSTREAM_FAILED if somebody else has to help and does not. */
  make(): Promise<MaterialPem>;
}

/** Istio's name of the Secret with a self-made root. */
export const selfMadeSecretName = 'istio-ca-secret';
/** The Secret with a set that a CA above signed. */
export const intermediateSecretName = 'ambit-ca-intermediate';

/** A root of its own, as istiod makes it. Istio renews it below a fifth of its ten years. */
export function selfSignedMaker(trustDomain: string, clock: Clock): SetMaker {
  return {
    secretName: selfMadeSecretName,
    secretType: 'istio.io/ca-root',
    supersedes: intermediateSecretName,
    renewAtPart: 0.2,
    make: () => Promise.resolve(makeSelfSigned(trustDomain, clock.wallTimeMs())),
  };
}

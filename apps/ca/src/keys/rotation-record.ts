/**
 * A rotation under way as the Secret all replicas read: the set of the previous signer, the bundle of all roots that stay
 * trusted, and phase, time and target as annotations, for people to read too. Pure.
 */
import { CaError } from '../ca-error.ts';
import { readKeySet, writeKeySet } from './key-set.ts';
import type { RotationFacts } from './rotation-plan.ts';
import type { SecretContent, StoredSecret } from './secret-store.ts';
import { type MaterialPem, type SigningMaterial, checkMaterial, trustFactsOf } from './signing-material.ts';

/** Name of the Secret. It exists during a rotation only. */
export const rotationSecretName = 'ambit-ca-rotation';

/** What the Secret says. */
export interface RotationRecord {
  readonly facts: RotationFacts;
  readonly previous: MaterialPem;
  /** PEM of `facts.bundle`. */
  readonly bundlePem: string;
}

const PHASE = 'ambit.io/rotation-phase';
const SINCE = 'ambit.io/rotation-phase-since';
const TARGET = 'ambit.io/rotation-target-root';
const BUNDLE = 'bundle.pem';

/** Reads a record. Throws CaError KEY_MATERIAL_INCOMPLETE or KEY_MATERIAL_INVALID. */
export function readRotation(secret: StoredSecret, wallTimeMs: number): RotationRecord {
  const place = `Secret ${secret.name}`;
  const previous = readKeySet(place, (name) => secret.data[name]);
  const material = checkMaterial(previous, wallTimeMs);
  const phase = secret.annotations[PHASE];
  const sinceMs = Date.parse(secret.annotations[SINCE] ?? '');
  const targetRoot = secret.annotations[TARGET];
  const bundlePem = secret.data[BUNDLE];
  const isPhase = phase === 'publish' || phase === 'switch';
  if (!isPhase || Number.isNaN(sinceMs) || targetRoot === undefined || bundlePem === undefined) {
    throw new CaError(
      'KEY_MATERIAL_INVALID',
      `${place} is not as the CA wrote it: it needs ${BUNDLE} and the annotations ${PHASE}, ${SINCE} and ${TARGET}`,
    );
  }
  const bundle = checkMaterial({ ...previous, roots: bundlePem }, wallTimeMs).rootFingerprints;
  return {
    facts: { phase, sinceMs, previous: trustFactsOf(material), bundle, targetRoot },
    previous,
    bundlePem,
  };
}

/** What to record. `previous` is the complete set that was in force. */
export interface RotationContent {
  readonly phase: RotationFacts['phase'];
  readonly sinceMs: number;
  readonly previous: MaterialPem;
  readonly bundlePem: string;
  readonly target: Pick<SigningMaterial, 'signingRoot'>;
}

export function writeRotation(rotation: RotationContent): SecretContent {
  return {
    name: rotationSecretName,
    type: 'Opaque',
    annotations: {
      [PHASE]: rotation.phase,
      [SINCE]: new Date(rotation.sinceMs).toISOString(),
      [TARGET]: rotation.target.signingRoot,
    },
    data: { ...writeKeySet(rotation.previous), [BUNDLE]: rotation.bundlePem },
  };
}

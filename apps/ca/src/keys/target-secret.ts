/**
 * The set of keys the operator wants, from the Secrets of the CA's namespace: `cacerts` if there is one, else
 * `istio-ca-secret`, which is made when neither exists. What exists is never overwritten because it cannot be read.
 * Spec: control-plane contract 6.4.
 */
import { CaError } from '../ca-error.ts';
import { pluginNames, readKeySet, writeKeySet } from './key-set.ts';
import { makeSelfSigned } from './self-signed.ts';
import type { SecretContent, SecretStore, StoredSecret } from './secret-store.ts';
import { type MaterialPem, type SigningMaterial, checkMaterial } from './signing-material.ts';

/** Names of the Secrets. */
export interface TargetSecretNames {
  /** Brought by the operator. */
  readonly brought: string;
  /** Made by the CA. */
  readonly made: string;
}

/** Istio's names. */
export const istioSecretNames: TargetSecretNames = { brought: 'cacerts', made: 'istio-ca-secret' };

/** Put on the made Secret by an operator who wants a new root; any value. */
export const rotateAnnotation = 'ambit.io/rotate-root';

/** A set as it was read, checked. */
export interface TargetSet {
  readonly pem: MaterialPem;
  readonly material: SigningMaterial;
  readonly origin: 'brought' | 'made';
  readonly secret: StoredSecret;
}

/** Istio: type of `istio-ca-secret`. */
const MADE_TYPE = 'istio.io/ca-root';

/**
 * Reads the set in force for the operator; undefined if neither Secret exists. Throws CaError KEY_MATERIAL_INCOMPLETE or
 * KEY_MATERIAL_INVALID naming the Secret; rejects with the store's error when it cannot be asked.
 */
export async function readTarget(
  store: SecretStore,
  names: TargetSecretNames,
  wallTimeMs: number,
): Promise<TargetSet | undefined> {
  const brought = await store.read(names.brought);
  if (brought !== undefined) return readBrought(brought, wallTimeMs);
  const made = await store.read(names.made);
  return made === undefined ? undefined : readMade(made, wallTimeMs);
}

/**
 * Makes a self-signed CA and keeps it. Of several replicas that start at once one creates the Secret and the others read
 * the winner's. Never call it while a set exists.
 */
export async function makeTarget(
  store: SecretStore,
  names: TargetSecretNames,
  trustDomain: string,
  wallTimeMs: number,
): Promise<TargetSet> {
  await store.create(madeContent(names.made, makeSelfSigned(trustDomain, wallTimeMs)));
  const made = await store.read(names.made);
  if (made === undefined) {
    throw new CaError('KEY_MATERIAL_INCOMPLETE', `Secret ${names.made} was created and is gone again`, {
      retryable: true,
    });
  }
  return readMade(made, wallTimeMs);
}

/** The content of the made Secret, with all keys that istiod writes. */
export function madeContent(name: string, pem: MaterialPem): SecretContent {
  return { name, type: MADE_TYPE, annotations: {}, data: { ...writeKeySet(pem), 'key.pem': '' } };
}

function readBrought(secret: StoredSecret, wallTimeMs: number): TargetSet {
  const place = `Secret ${secret.name}`;
  return checked(
    place,
    'brought',
    secret,
    readKeySet(place, (name) => secret.data[name]),
    wallTimeMs,
  );
}

function readMade(secret: StoredSecret, wallTimeMs: number): TargetSet {
  const { data } = secret;
  const place = `Secret ${secret.name}`;
  const pem = readKeySet(place, (name) => {
    const text = data[name] ?? '';
    if (text !== '') return text;
    // Sets written by old versions of istiod have no bundle beside the certificate.
    if (name === pluginNames.roots) return data[pluginNames.signingCertificate];
    return name === pluginNames.chain ? '' : undefined;
  });
  return checked(place, 'made', secret, pem, wallTimeMs);
}

function checked(
  place: string,
  origin: TargetSet['origin'],
  secret: StoredSecret,
  pem: MaterialPem,
  wallTimeMs: number,
): TargetSet {
  try {
    return { pem, material: checkMaterial(pem, wallTimeMs), origin, secret };
  } catch (error) {
    if (!(error instanceof CaError)) throw error;
    throw new CaError(error.code, `${place}: ${error.message}`, { cause: error });
  }
}

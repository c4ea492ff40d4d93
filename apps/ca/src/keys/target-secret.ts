/**
 * The set of keys the operator wants, from the Secrets of the CA's namespace: `cacerts` if there is one, else
 * the one the CA keeps for
 * itself (`istio-ca-secret`), which is made when neither exists. What exists is never overwritten because it cannot be read.
 * Spec: control-plane contract 6.4.
 */
import { CaError } from '../ca-error.ts';
import { pluginNames, readKeySet, writeKeySet } from './key-set.ts';
import type { SecretContent, SecretStore, StoredSecret } from './secret-store.ts';
import type { SetMaker } from './set-maker.ts';
import { type MaterialPem, type SigningMaterial, checkMaterial } from './signing-material.ts';

/** Istio's name of the Secret that the operator brings. */
export const broughtSecretName = 'cacerts';

/** Put on the made Secret by an operator who wants a new root; any value. */
export const rotateAnnotation = 'ambit.io/rotate-root';

/** A set as it was read, checked. */
export interface TargetSet {
  readonly pem: MaterialPem;
  readonly material: SigningMaterial;
  /** `superseded`: made another way than is set now. */
  readonly origin: 'brought' | 'made' | 'superseded';
  readonly secret: StoredSecret;
}

/**
 * Reads the set in force for the operator; undefined if neither Secret exists. Throws CaError KEY_MATERIAL_INCOMPLETE or
 * KEY_MATERIAL_INVALID naming the Secret; rejects with the store's error when it cannot be asked.
 */
export async function readTarget(
  store: SecretStore,
  maker: SetMaker,
  wallTimeMs: number,
): Promise<TargetSet | undefined> {
  const brought = await store.read(broughtSecretName);
  if (brought !== undefined) return readBrought(brought, wallTimeMs);
  const made = await store.read(maker.secretName);
  if (made !== undefined) return readMade(made, 'made', wallTimeMs);
  const superseded = await store.read(maker.supersedes);
  return superseded === undefined ? undefined : readMade(superseded, 'superseded', wallTimeMs);
}

/**
 * The sets that are there beside the one {@link readTarget} gives: one of them may be what the mesh was told to trust when
 * the target appeared while no CA ran. Unfit ones are left out.
 */
export async function readOtherSets(
  store: SecretStore,
  maker: SetMaker,
  target: TargetSet,
  wallTimeMs: number,
): Promise<readonly TargetSet[]> {
  const sets: TargetSet[] = [];
  for (const name of [maker.secretName, maker.supersedes]) {
    const secret = name === target.secret.name ? undefined : await store.read(name);
    if (secret === undefined) continue;
    try {
      sets.push(readMade(secret, 'superseded', wallTimeMs));
    } catch (error) {
      if (!(error instanceof CaError)) throw error;
    }
  }
  return sets;
}

/**
 * Makes a set and keeps it. Of several replicas that start at once one creates the Secret and the others read the winner's.
 * Never call it while a set exists.
 */
export async function makeTarget(store: SecretStore, maker: SetMaker, wallTimeMs: number): Promise<TargetSet> {
  await store.create(madeContent(maker, await maker.make()));
  const made = await store.read(maker.secretName);
  if (made === undefined) {
    throw new CaError('KEY_MATERIAL_INCOMPLETE', `Secret ${maker.secretName} was created and is gone again`, {
      retryable: true,
    });
  }
  return readMade(made, 'made', wallTimeMs);
}

/** The content of the made Secret, with all keys that istiod writes. */
export function madeContent(maker: SetMaker, pem: MaterialPem): SecretContent {
  const data = { ...writeKeySet(pem), 'key.pem': '' };
  return { name: maker.secretName, type: maker.secretType, annotations: {}, data };
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

function readMade(secret: StoredSecret, origin: TargetSet['origin'], wallTimeMs: number): TargetSet {
  const { data } = secret;
  const place = `Secret ${secret.name}`;
  const pem = readKeySet(place, (name) => {
    const text = data[name] ?? '';
    if (text !== '') return text;
    // Sets written by old versions of istiod have no bundle beside the certificate.
    if (name === pluginNames.roots) return data[pluginNames.signingCertificate];
    return name === pluginNames.chain ? '' : undefined;
  });
  return checked(place, origin, secret, pem, wallTimeMs);
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

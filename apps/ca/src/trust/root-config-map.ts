/**
 * The ConfigMap by which a namespace learns the mesh's roots. Pure.
 * Spec: control-plane contract 6.5 and trap 44.
 */
import { createHash } from 'node:crypto';
import { type PlainObject, isPlainObject } from '@ambit/kube';
import { toAmbitError } from '@ambit/runtime';
import type { PublishedTrust } from '../keys/material-keeper.ts';
import { type SigningMaterial, rootFingerprintsOf } from '../keys/signing-material.ts';

/** Istio's name; data planes mount it. */
export const rootConfigMapName = 'istio-ca-root-cert';

const KEY = 'root-cert.pem';
const SIGNING_ROOT = 'ambit.io/signing-root';
/** Istio: namespaces without pods of the mesh. */
const WITHOUT_TRUST: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage']);

/** What is to be published. */
export interface TrustBundle {
  readonly rootsPem: string;
  readonly signingRoot: string;
}

/** The name of a namespace that gets the ConfigMap; undefined if Istio gives it none, or it is on its way out. */
export function readWantingNamespace(namespace: PlainObject): string | undefined {
  const { name, deletionTimestamp } = fieldsOf(namespace, 'metadata');
  const isWanting = typeof name === 'string' && !WITHOUT_TRUST.has(name) && deletionTimestamp === undefined;
  return isWanting ? name : undefined;
}

/** What is published of the material in force. */
export function bundleOf({ rootsPem, signingRoot }: SigningMaterial): TrustBundle {
  return { rootsPem, signingRoot };
}

/** The fields the CA owns of the ConfigMap. */
export function rootConfigMap({ rootsPem, signingRoot }: TrustBundle): PlainObject {
  return {
    metadata: { labels: { 'istio.io/config': 'true' }, annotations: { [SIGNING_ROOT]: signingRoot } },
    data: { [KEY]: rootsPem },
  };
}

/** Identifies what is published; equal for equal content. */
export function digestOfBundle({ rootsPem, signingRoot }: TrustBundle): string {
  return createHash('sha256').update(`${signingRoot}\n${rootsPem}`).digest('base64');
}

/** {@link digestOfBundle} of a ConfigMap as it is. */
export function digestOfConfigMap(object: PlainObject): string {
  const { rootsPem, signingRoot } = contentOf(object);
  return digestOfBundle({ rootsPem, signingRoot: signingRoot ?? '' });
}

/** What a ConfigMap tells to trust; the reason if it tells nothing that could be trusted. */
export function readPublishedTrust(object: unknown): PublishedTrust | string {
  const { rootsPem, signingRoot } = contentOf(isPlainObject(object) ? object : {});
  try {
    const roots = rootFingerprintsOf(rootsPem);
    return roots.length === 0 ? 'it holds no certificate' : { root: signingRoot, roots, pem: rootsPem };
  } catch (error) {
    return toAmbitError(error).message;
  }
}

function contentOf(object: PlainObject): { readonly rootsPem: string; readonly signingRoot: string | undefined } {
  const roots = fieldsOf(object, 'data')[KEY];
  const signingRoot = fieldsOf(fieldsOf(object, 'metadata'), 'annotations')[SIGNING_ROOT];
  return {
    rootsPem: typeof roots === 'string' ? roots : '',
    signingRoot: typeof signingRoot === 'string' ? signingRoot : undefined,
  };
}

function fieldsOf(object: PlainObject, key: string): PlainObject {
  const value = object[key];
  return isPlainObject(value) ? value : {};
}

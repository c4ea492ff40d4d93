/**
 * The ConfigMap by which a namespace learns the mesh's roots. Pure.
 * Spec: control-plane contract 6.5.
 */
import { type PlainObject, isPlainObject } from '@ambit/kube';
import { toAmbitError } from '@ambit/runtime';
import type { PublishedTrust } from '../keys/material-keeper.ts';
import { type SigningMaterial, rootFingerprintsOf } from '../keys/signing-material.ts';
import { type PublishedMap, digestOf, fieldsOf, publishedObject } from './published-map.ts';

/** Istio's name; data planes mount it. */
export const rootConfigMapName = 'istio-ca-root-cert';

const KEY = 'root-cert.pem';
const SIGNING_ROOT = 'ambit.io/signing-root';
/** What is to be published. */
export interface TrustBundle {
  readonly rootsPem: string;
  readonly signingRoot: string;
}

/** What is published of the material in force. */
export function bundleOf({ rootsPem, signingRoot }: SigningMaterial): TrustBundle {
  return { rootsPem, signingRoot };
}

/** The map of the bundle of the moment. */
export function rootMap(bundle: () => TrustBundle): PublishedMap {
  return {
    name: rootConfigMapName,
    content: () => {
      const { rootsPem, signingRoot } = bundle();
      const annotations = { [SIGNING_ROOT]: signingRoot };
      return { object: publishedObject({ [KEY]: rootsPem }, annotations), digest: digestOf(signingRoot, rootsPem) };
    },
    digestOf: (object) => {
      const { rootsPem, signingRoot = '' } = contentOf(object);
      return digestOf(signingRoot, rootsPem);
    },
  };
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

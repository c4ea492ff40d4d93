/**
 * The ConfigMap by which ztunnels learn whose certificates are revoked: what the operator puts into `cacerts` beside the
 * keys. Without a list its value is empty, as istiod has it. Pure. Spec: control-plane contract 6.5.
 */
import { decodePem } from '@ambit/identity';
import { toAmbitError } from '@ambit/runtime';
import { CaError } from '../ca-error.ts';
import { type PublishedMap, digestOf, fieldsOf, publishedObject } from './published-map.ts';

/** Istio's name; ztunnels may mount it. */
const CONFIG_MAP_NAME = 'istio-ca-crl';
/** In `cacerts` and in the ConfigMap. */
export const revocationsKey = 'ca-crl.pem';
const MAX_LISTS = 1_024;
/** A ConfigMap holds a mebibyte. */
const MAX_CHARACTERS = 1_000_000;

/** Throws CaError KEY_MATERIAL_INVALID for lists that no ztunnel could read. */
export function checkRevocations(text: string): void {
  if (text.length > MAX_CHARACTERS) throw invalid(`it is longer than ${MAX_CHARACTERS} characters`);
  if (text.trim() === '') return;
  if (listCount(text) === 0) throw invalid('it holds no X509 CRL in PEM');
}

function listCount(text: string): number {
  try {
    return decodePem('X509 CRL', text, MAX_LISTS).length;
  } catch (cause) {
    throw invalid(toAmbitError(cause).message, cause);
  }
}

/** The map of the lists of the moment; undefined: what is published stays. */
export function revocationMap(listsPem: () => string | undefined): PublishedMap {
  return {
    name: CONFIG_MAP_NAME,
    content: () => {
      const text = listsPem();
      if (text === undefined) return undefined;
      return { object: publishedObject({ [revocationsKey]: text }, {}), digest: digestOf(text) };
    },
    digestOf: (object) => {
      const text = fieldsOf(object, 'data')[revocationsKey];
      return typeof text === 'string' ? digestOf(text) : '';
    },
  };
}

function invalid(reason: string, cause?: unknown): CaError {
  return new CaError('KEY_MATERIAL_INVALID', `${revocationsKey} of the Secret cannot be used: ${reason}`, { cause });
}

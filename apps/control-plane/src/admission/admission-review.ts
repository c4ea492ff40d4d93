/** The messages of Kubernetes admission webhooks. Spec: Kubernetes, admission.k8s.io/v1 AdmissionReview. */
import { isPlainObject, type PlainObject } from '@ambit/kube';
import type { Verdict } from './judge-object.ts';

/** What a webhook is asked. */
export interface AdmissionRequest {
  readonly uid: string;
  /** The object to be stored; undefined when something is deleted. */
  readonly object: unknown;
}

/** The request of a review; undefined when it is none. */
export function readReview(body: unknown): AdmissionRequest | undefined {
  if (!isPlainObject(body) || body['apiVersion'] !== 'admission.k8s.io/v1') return undefined;
  const request = body['request'];
  if (!isPlainObject(request) || typeof request['uid'] !== 'string' || request['uid'] === '') return undefined;
  return { uid: request['uid'], object: withNamespace(request['object'] ?? undefined, request['namespace']) };
}

/** A new object may leave its namespace to the request. */
function withNamespace(object: unknown, namespace: unknown): unknown {
  if (!isPlainObject(object) || typeof namespace !== 'string' || namespace === '') return object;
  const metadata = isPlainObject(object['metadata']) ? object['metadata'] : {};
  // An object to be named by the server has no name yet.
  const generated = typeof metadata['generateName'] === 'string' ? { name: `${metadata['generateName']}0` } : {};
  return { ...object, metadata: { ...generated, ...metadata, namespace } };
}

/** The review that answers a request. */
export function answerReview(uid: string, { errors, warnings }: Verdict): PlainObject {
  const refusal = { code: 422, reason: 'Invalid', message: errors.join('; ') };
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: errors.length === 0,
      ...(errors.length === 0 ? {} : { status: refusal }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  };
}

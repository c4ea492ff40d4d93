import { type PlainObject, isPlainObject } from '@ambit/kube';

/** What the CA keeps of a pod: where it runs and as whom. */
export interface PodPlace {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
  /** Empty until the pod is scheduled. */
  readonly node: string;
}

/**
 * Reads a pod; undefined once it has ended for good, because nothing of it runs that could need a certificate. Stricter
 * than Istio, which still counts pods that have succeeded. Gives `previous` back when nothing of it changed.
 */
export function readPodPlace(object: PlainObject, previous?: PodPlace): PodPlace | undefined {
  const metadata = fieldsOf(object, 'metadata');
  const spec = fieldsOf(object, 'spec');
  const phase = fieldsOf(object, 'status')['phase'];
  if (phase === 'Failed' || phase === 'Succeeded') return undefined;
  const place = {
    namespace: textOf(metadata, 'namespace'),
    name: textOf(metadata, 'name'),
    uid: textOf(metadata, 'uid'),
    serviceAccount: textOf(spec, 'serviceAccountName') || 'default',
    node: textOf(spec, 'nodeName'),
  };
  const isSame =
    previous !== undefined &&
    previous.uid === place.uid &&
    previous.node === place.node &&
    previous.serviceAccount === place.serviceAccount;
  return isSame ? previous : place;
}

function fieldsOf(object: PlainObject, key: string): PlainObject {
  const value = object[key];
  return isPlainObject(value) ? value : {};
}

function textOf(object: PlainObject, key: string): string {
  const value = object[key];
  return typeof value === 'string' ? value : '';
}

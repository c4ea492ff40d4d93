import { isPlainObject, type PlainObject } from '../object-reader.ts';
import { errorOfStatus, KubeError } from './kube-error.ts';

/** One event of a watch. */
export type WatchEvent =
  | {
      readonly kind: 'changed' | 'deleted';
      readonly key: string;
      readonly resourceVersion: string;
      readonly object: PlainObject;
    }
  /** Progress without a change; `isEndOfList` after all objects of a streaming list were sent. */
  | { readonly kind: 'bookmark'; readonly resourceVersion: string; readonly isEndOfList: boolean };

const END_OF_LIST = 'k8s.io/initial-events-end';

/**
 * Reads one line of a watch. Throws the KubeError that an ERROR event stands for (`GONE` for an expired resource version),
 * or `MALFORMED`. Spec: meta/v1 WatchEvent; API concepts, streaming lists.
 */
export function readWatchEvent(value: unknown, what: string): WatchEvent {
  if (!isPlainObject(value) || !isPlainObject(value['object'])) throw malformed(what);
  const { type, object } = value;
  if (type === 'ERROR') {
    const code = object['code'];
    throw errorOfStatus(typeof code === 'number' ? code : 500, object, what);
  }
  const { metadata } = object;
  const resourceVersion = isPlainObject(metadata) ? metadata['resourceVersion'] : undefined;
  if (!isPlainObject(metadata) || typeof resourceVersion !== 'string' || resourceVersion === '') throw malformed(what);
  if (type === 'BOOKMARK') {
    const { annotations } = metadata;
    return {
      kind: 'bookmark',
      resourceVersion,
      isEndOfList: isPlainObject(annotations) && annotations[END_OF_LIST] === 'true',
    };
  }
  const key = objectKey(object);
  if (key === undefined) throw malformed(what);
  if (type === 'DELETED') return { kind: 'deleted', key, resourceVersion, object };
  if (type === 'ADDED' || type === 'MODIFIED') return { kind: 'changed', key, resourceVersion, object };
  throw malformed(what);
}

/** `namespace/name`, or the name of a kind without namespaces; undefined when there is no name. */
export function objectKey(object: PlainObject): string | undefined {
  const { metadata } = object;
  if (!isPlainObject(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') return undefined;
  const namespace = metadata['namespace'];
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}/${metadata['name']}` : metadata['name'];
}

/** `metadata.resourceVersion`; empty when there is none. */
export function versionOf(object: PlainObject): string {
  const { metadata } = object;
  const version = isPlainObject(metadata) ? metadata['resourceVersion'] : undefined;
  return typeof version === 'string' ? version : '';
}

function malformed(what: string): KubeError {
  return new KubeError('MALFORMED', `${what}: the API server sent an event that is not one`);
}

/**
 * A ConfigMap that every namespace gets from the CA, and which namespaces those are. Pure.
 * Spec: control-plane contract 6.5 and trap 44.
 */
import { createHash } from 'node:crypto';
import { type PlainObject, isPlainObject } from '@ambit/kube';

/** One of the maps. */
export interface PublishedMap {
  readonly name: string;
  /** The fields the CA owns of it, as they are to be now, and what identifies them; undefined: nothing is changed. */
  readonly content: () => { readonly object: PlainObject; readonly digest: string } | undefined;
  /** The same of a ConfigMap as it is. */
  readonly digestOf: (object: PlainObject) => string;
}

/** Istio: namespaces without pods of the mesh. */
const WITHOUT_TRUST: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage']);

/** The name of a namespace that gets the maps; undefined if Istio gives it none, or it is on its way out. */
export function readWantingNamespace(namespace: PlainObject): string | undefined {
  const { name, deletionTimestamp } = fieldsOf(namespace, 'metadata');
  const isWanting = typeof name === 'string' && !WITHOUT_TRUST.has(name) && deletionTimestamp === undefined;
  return isWanting ? name : undefined;
}

/** With the label that istiod gives. */
export function publishedObject(data: PlainObject, annotations: Readonly<Record<string, string>>): PlainObject {
  return { metadata: { labels: { 'istio.io/config': 'true' }, annotations }, data };
}

/** Equal for equal texts. */
export function digestOf(...texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('\n')).digest('base64');
}

/** A field that is an object itself; empty if it is none. */
export function fieldsOf(object: PlainObject, key: string): PlainObject {
  const value = object[key];
  return isPlainObject(value) ? value : {};
}

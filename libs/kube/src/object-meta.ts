import type { Location } from './location.ts';
import type { ObjectReader } from './object-reader.ts';

/** Labels or annotations. */
export type Labels = Readonly<Record<string, string>>;

/** A reference to the object that owns another. */
export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly controller: boolean;
}

/** The part of Kubernetes metadata that has a meaning in the mesh. */
export interface ObjectMeta {
  readonly name: string;
  /** Empty for kinds without a namespace. */
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly uid: string | undefined;
  /** RFC 3339; files usually have none. */
  readonly creationTimestamp: string | undefined;
  /** Counts changes of the spec; files usually have none. */
  readonly generation?: number | undefined;
  readonly deletionTimestamp: string | undefined;
  readonly generateName: string | undefined;
  readonly ownerReferences: readonly OwnerReference[];
}

/** What every resource has. `origin` is the place of its first line. */
export interface ResourceBase<K extends string> {
  readonly kind: K;
  readonly metadata: ObjectMeta;
  readonly origin: Location;
}

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Reads `metadata`. `isNamespaced` kinds without a namespace are put into `default`, as kubectl does. */
export function readObjectMeta(reader: ObjectReader, isNamespaced: boolean): ObjectMeta {
  const name = reader.requiredString('name');
  if (name !== '' && (name.length > 253 || !subdomain.test(name))) {
    reader.error(
      'name',
      `must be lower-case letters, digits, "-" and ".", starting and ending with a letter or digit, not "${name}"`,
    );
  }
  const namespace = reader.string('namespace');
  if (namespace !== undefined && isNamespaced && (namespace.length > 63 || !subdomain.test(namespace))) {
    reader.error('namespace', `must be lower-case letters, digits and "-", not "${namespace}"`);
  }
  if (namespace !== undefined && !isNamespaced)
    reader.warn('namespace', 'is ignored: this kind belongs to no namespace');
  reader.ignore('resourceVersion', 'managedFields', 'finalizers', 'selfLink', 'deletionGracePeriodSeconds');
  return {
    name,
    namespace: isNamespaced ? (namespace ?? 'default') : '',
    labels: reader.stringMap('labels'),
    annotations: reader.stringMap('annotations'),
    uid: reader.string('uid'),
    creationTimestamp: reader.string('creationTimestamp'),
    generation: reader.integer('generation', 0, Number.MAX_SAFE_INTEGER),
    deletionTimestamp: reader.string('deletionTimestamp'),
    generateName: reader.string('generateName'),
    ownerReferences: reader.objects('ownerReferences', readOwnerReference),
  };
}

function readOwnerReference(reader: ObjectReader): OwnerReference {
  reader.ignore('apiVersion', 'uid', 'blockOwnerDeletion');
  return {
    kind: reader.requiredString('kind'),
    name: reader.requiredString('name'),
    controller: reader.boolean('controller') ?? false,
  };
}

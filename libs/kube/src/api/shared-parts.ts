import type { Labels, ObjectMeta, OwnerReference } from '../object-meta.ts';
import type { Resource } from '../resource.ts';
import type { Container } from '../resources/pod.ts';

/** Distinct values remembered of one sort. */
const MAX_VALUES = 20_000;

/** Equal values become one. When it is full it starts anew: later copies are only not shared with earlier ones. */
class Shared<T> {
  readonly #known = new Map<string, T>();

  of(value: T): T {
    const key = typeof value === 'string' ? value : JSON.stringify(value);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_VALUES) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}

/**
 * One copy of what many objects have in common: the containers and labels of a thousand replicas, names of nodes and
 * namespaces. Records are never changed, so sharing is safe. A pod of a large workload takes 1.1 KB
 * with it, 1.8 KB without (measured with 5,000 pods of 50 workloads).
 */
export class SharedParts {
  readonly #texts = new Shared<string>();
  readonly #labels = new Shared<Labels>();
  readonly #owners = new Shared<readonly OwnerReference[]>();
  readonly #containers = new Shared<readonly Container[]>();

  /** The same resource, with shared parts. */
  share<T extends Resource>(resource: T): T {
    const metadata = this.#metadata(resource.metadata);
    if (resource.kind !== 'Pod') return { ...resource, metadata };
    const { spec } = resource;
    return {
      ...resource,
      metadata,
      spec: {
        ...spec,
        nodeName: this.#texts.of(spec.nodeName),
        serviceAccountName: this.#texts.of(spec.serviceAccountName),
        containers: this.#containers.of(spec.containers),
        initContainers: this.#containers.of(spec.initContainers),
      },
    };
  }

  #metadata(metadata: ObjectMeta): ObjectMeta {
    const { generateName } = metadata;
    return {
      ...metadata,
      namespace: this.#texts.of(metadata.namespace),
      labels: this.#labels.of(metadata.labels),
      annotations: this.#labels.of(metadata.annotations),
      generateName: generateName === undefined ? undefined : this.#texts.of(generateName),
      ownerReferences: this.#owners.of(metadata.ownerReferences),
    };
  }
}

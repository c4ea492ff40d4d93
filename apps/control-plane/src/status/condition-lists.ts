import { apiKinds, type KubeClient, rawKinds, type ResourceKind } from '@ambit/kube';

/** Kinds of Kubernetes itself and of the Gateway API: their conditions merge by type in every version. */
const MERGED_GROUPS: ReadonlySet<string> = new Set(['', 'discovery.k8s.io', 'gateway.networking.k8s.io']);

/**
 * Knows for which kinds the API server merges conditions by type in a server-side apply. CRDs differ in this: a list
 * without the declaration is replaced as a whole by whoever applies it.
 */
export class ConditionLists {
  readonly #client: Pick<KubeClient, 'get'>;
  readonly #known = new Map<ResourceKind, boolean>();

  constructor(client: Pick<KubeClient, 'get'>) {
    this.#client = client;
  }

  /** Rejects with KubeError when the definition cannot be read. */
  async mergeByType(kind: ResourceKind, signal: AbortSignal): Promise<boolean> {
    const { group, plural, version } = apiKinds[kind];
    if (MERGED_GROUPS.has(group)) return true;
    const known = this.#known.get(kind);
    if (known !== undefined) return known;
    const ref = { kind: rawKinds.CustomResourceDefinition, name: `${plural}.${group}` };
    const merges = declaresMap(await this.#client.get(ref, { signal }), version);
    this.#known.set(kind, merges);
    return merges;
  }
}

function declaresMap(definition: unknown, version: string): boolean {
  const versions = at(definition, 'spec', 'versions');
  const found: unknown = Array.isArray(versions) ? versions.find((entry) => at(entry, 'name') === version) : undefined;
  const path = ['schema', 'openAPIV3Schema', 'properties', 'status', 'properties', 'conditions'];
  return at(found, ...path, 'x-kubernetes-list-type') === 'map';
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = new Map<string, unknown>(Object.entries(found)).get(key);
  }
  return found;
}

/** Manners on a cluster that was brought along: nothing of somebody else's is touched, nothing of ours stays. */
import type { Cluster } from '@ambit/kube-lab';
import { E2eError } from '../e2e-error.ts';
import type { Mesh } from './mesh.ts';

/** Namespaces of the claims are called so. */
const OWN_NAMESPACE = /^e2e-/;
const DEFINITION = /\.istio\.io$/;

export class Guest {
  readonly #cluster: Cluster;
  readonly #mesh: Mesh;
  readonly #definitions: ReadonlySet<string>;

  private constructor(cluster: Cluster, mesh: Mesh, definitions: ReadonlySet<string>) {
    this.#cluster = cluster;
    this.#mesh = mesh;
    this.#definitions = definitions;
  }

  /** Looks at what is there. @throws E2eError `NOT_READY` when there is a mesh or something of an earlier run */
  static async arrive(cluster: Cluster, mesh: Mesh): Promise<Guest> {
    const ours = (await names(cluster, 'namespaces')).filter((name) => isOurs(name, mesh));
    if (ours.length > 0)
      throw new E2eError(
        'NOT_READY',
        `the cluster has namespace ${ours.join(', ')} already; go on with what an earlier run left by --attach, or ` +
          `remove it: helm uninstall ambit -n ${mesh.namespace}; kubectl delete namespace ${ours.join(' ')}`,
      );
    return new Guest(cluster, mesh, new Set(await definitions(cluster)));
  }

  /** Removes the mesh, the namespaces of the claims, and definitions that were not there before. */
  async leave(): Promise<void> {
    await this.#mesh.remove();
    const ours = (await names(this.#cluster, 'namespaces')).filter((name) => isOurs(name, this.#mesh));
    await this.#delete('namespace', ours);
    await this.#delete(
      'customresourcedefinition',
      (await definitions(this.#cluster)).filter((name) => !this.#definitions.has(name)),
    );
  }

  async #delete(kind: string, which: readonly string[]): Promise<void> {
    if (which.length === 0) return;
    await this.#cluster.kubectl(['delete', kind, ...which, '--ignore-not-found', '--timeout=120s']);
  }
}

function isOurs(name: string, mesh: Mesh): boolean {
  return name === mesh.namespace || OWN_NAMESPACE.test(name);
}

async function definitions(cluster: Cluster): Promise<readonly string[]> {
  return (await names(cluster, 'customresourcedefinitions')).filter((name) => DEFINITION.test(name));
}

async function names(cluster: Cluster, kind: string): Promise<readonly string[]> {
  const text = await cluster.kubectl(['get', kind, '-o', 'jsonpath={.items[*].metadata.name}']);
  return text.split(' ').filter((name) => name !== '');
}

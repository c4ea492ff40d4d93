/** A cluster that somebody brought along: kind, k3d, or any that a kubeconfig leads to. */
import { mustRun, runCommand, type RunCommandOptions } from '@ambit/runtime';
import { KubeLabError } from '../kube-lab-error.ts';
import { CachePaths } from '../lab-paths.ts';
import type { LabSettings } from '../lab-settings.ts';
import { CONTEXT_PREFIX } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import { LabCluster } from './lab-cluster.ts';

/** Who brings images into the nodes, told by the name of the context. */
const LOADERS: readonly {
  readonly context: RegExp;
  readonly command: (name: string, file: string) => readonly string[];
}[] = [
  { context: /^kind-(.+)$/, command: (name, file) => ['kind', 'load', 'image-archive', file, '--name', name] },
  { context: /^k3d-(.+)$/, command: (name, file) => ['k3d', 'image', 'import', file, '--cluster', name] },
];

export class ExistingCluster implements Cluster {
  readonly kubeconfig: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly machines: undefined = undefined;
  readonly #settings: LabSettings;
  readonly #context: string;

  private constructor(kubeconfig: string, settings: LabSettings, context: string) {
    this.kubeconfig = kubeconfig;
    this.environment = { KUBECONFIG: kubeconfig, PATH: toolPath(settings) };
    this.#settings = settings;
    this.#context = context;
  }

  /** kubectl and helm are those on the `PATH`, or those of labs where it has none. @throws KubeLabError `NOT_READY` when the cluster does not answer */
  static async attach(kubeconfig: string, settings: LabSettings): Promise<ExistingCluster> {
    const env = { KUBECONFIG: kubeconfig, PATH: toolPath(settings) };
    const { code, stderr } = await runCommand(['kubectl', 'get', '--raw', '/readyz'], { env });
    if (code !== 0)
      throw new KubeLabError('NOT_READY', `the cluster of ${kubeconfig} does not answer: ${stderr.trim()}`);
    const context = await mustRun(['kubectl', 'config', 'current-context'], { env });
    return new ExistingCluster(kubeconfig, settings, context.trim());
  }

  kubectl(args: readonly string[], options: RunCommandOptions = {}): Promise<string> {
    return this.#run(['kubectl', ...args], options);
  }

  helm(args: readonly string[], options: RunCommandOptions = {}): Promise<string> {
    return this.#run(['helm', ...args], options);
  }

  async nodes(): Promise<readonly string[]> {
    const names = await this.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}']);
    return names
      .split(' ')
      .filter((name) => name !== '')
      .toSorted();
  }

  /** @throws KubeLabError `UNSUPPORTED` unless kind, k3d or kube-lab made the cluster */
  async loadImages(files: readonly string[]): Promise<void> {
    if (this.#context.startsWith(CONTEXT_PREFIX)) {
      const name = this.#context.slice(CONTEXT_PREFIX.length);
      return LabCluster.attach({ ...this.#settings, name }).loadImages(files);
    }
    for (const { context, command } of LOADERS) {
      const name = context.exec(this.#context)?.[1];
      if (name === undefined) continue;
      for (const file of files) await this.#run(command(name, file), { timeoutMs: 600_000 });
      return;
    }
    throw new KubeLabError(
      'UNSUPPORTED',
      `nobody knows how to bring images into the nodes of context ${this.#context}; push them to a registry it can reach`,
    );
  }

  /** It stays anyway. */
  release(): void {}

  /** Leaves the cluster as it is. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #run(argv: readonly string[], options: RunCommandOptions): Promise<string> {
    return mustRun(argv, { timeoutMs: 180_000, ...options, env: { ...this.environment, ...options.env } });
  }
}

function toolPath(settings: LabSettings): string {
  return `${settings.searchPath}:${new CachePaths(settings).programs}`;
}

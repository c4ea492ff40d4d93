/** Helm as a program: it stays the one that knows what is installed, so what ambitctl has installed, helm can upgrade. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '@ambit/runtime';
import type { ClusterFlags } from '../cluster/cluster-flags.ts';
import { InstallError } from './install-error.ts';

export class Helm {
  readonly #program: string;
  readonly #cluster: readonly string[];
  readonly #namespace: string;

  /** @throws InstallError `TOOL_MISSING` */
  constructor(searchPath: string, flags: ClusterFlags, namespace: string) {
    const folder = searchPath.split(':').find((one) => existsSync(join(one, 'helm')));
    if (folder === undefined) {
      throw new InstallError('TOOL_MISSING', 'helm is not on the PATH; see https://helm.sh/docs/intro/install');
    }
    this.#program = join(folder, 'helm');
    this.#namespace = namespace;
    this.#cluster = [
      '--kubeconfig',
      flags.kubeconfig,
      ...(flags.context === undefined ? [] : ['--kube-context', flags.context]),
    ];
  }

  /**
   * Installs a chart, or upgrades what was installed under that name: earlier settings stay where `settings` does not
   * change them, defaults are those of the new chart. Waits until its pods are ready.
   */
  async install(release: string, chart: string, settings: readonly string[], timeoutSec: number): Promise<void> {
    const wait = ['--wait', '--timeout', `${timeoutSec}s`];
    const kept = ['--install', '--reset-then-reuse-values'];
    await this.#run(['upgrade', release, chart, ...kept, ...settings, ...wait], (timeoutSec + 30) * 1000);
  }

  /** The objects that `install` would make, as YAML. The API server is not asked. */
  render(release: string, chart: string, settings: readonly string[]): Promise<string> {
    return this.#run(['template', release, chart, '--kube-version', '1.36.0', ...settings], 60_000);
  }

  async #run(args: readonly string[], timeoutMs: number): Promise<string> {
    const argv = [this.#program, ...args, '--namespace', this.#namespace, ...this.#cluster];
    const { code, stdout, stderr } = await runCommand(argv, { timeoutMs });
    if (code !== 0) {
      throw new InstallError('HELM_FAILED', `helm ${args[0] ?? ''} failed: ${stderr.trim().replace(/^Error: /, '')}`);
    }
    return stdout;
  }
}

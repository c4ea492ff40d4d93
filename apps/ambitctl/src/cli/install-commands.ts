/** `ambitctl install` and `ambitctl check`. */
import { exitCodes } from '@ambit/runtime';
import type { Command } from 'commander';
import { addClusterOptions, connectCluster, type ClusterFlags } from '../cluster/cluster-flags.ts';
import { formatFinding, hasErrors, type Finding } from '../cluster/finding.ts';
import { checkCluster } from '../install/check-cluster.ts';
import { Helm } from '../install/helm.ts';
import { installMesh } from '../install/install-mesh.ts';
import { chartsBeside, type InstallationFlags } from '../install/installation.ts';
import { judgeMesh } from '../install/mesh-health.ts';
import { readMeshObjects } from '../install/mesh-objects.ts';
import { collect } from './lab-commands.ts';
import type { Surroundings } from './surroundings.ts';

type Flags = InstallationFlags & ClusterFlags;

interface InstallFlags extends Flags {
  readonly gatewayApi?: string;
  readonly timeout: string;
  readonly force?: boolean;
}

export function addInstallCommands(program: Command, surroundings: Surroundings): void {
  const command = (name: string, description: string): Command =>
    addClusterOptions(program.command(name).description(description), surroundings.kubeconfig)
      .option('-n, --namespace <name>', 'where the mesh is, or is going to be', 'ambit-system')
      .option('--profile <name>', 'settings for a platform: auto, none, kube-lab, kind, k3s, gke, openshift', 'auto')
      .option('-f, --values <file>', 'settings of the chart, as for helm; repeatable', collect)
      .option('--set <name=value>', 'one setting of the chart, as for helm; repeatable', collect)
      .option('--charts <folder>', 'where the charts are', chartsBeside(surroundings.program))
      .option('--no-probe', 'start no pods that look at the nodes');
  const helmFor = (flags: Flags): Helm => new Helm(surroundings.searchPath, flags, flags.namespace);

  command('install', 'check a cluster, then install the mesh into it, or upgrade the one that is there')
    .option('--gateway-api <source>', 'file, folder or URL of Gateway API definitions, or skip')
    .option('--timeout <seconds>', 'how long all parts together may take to become ready', '300')
    .option('--force', 'install although the checks have found errors')
    .action(async (flags: InstallFlags) => {
      using client = await connectCluster(flags);
      const isInstalled = await installMesh({
        client,
        helm: helmFor(flags),
        flags,
        gatewayApi: flags.gatewayApi,
        timeoutSec: Number.parseInt(flags.timeout, 10) || 300,
        isForced: flags.force === true,
        say,
        tell,
      });
      if (!isInstalled) process.exitCode = exitCodes.findings;
    });
  command('check', 'say whether the mesh works, or, where there is none, whether it can be installed').action(
    async (flags: Flags) => {
      using client = await connectCluster(flags);
      const mesh = await readMeshObjects(client, flags.namespace);
      if (mesh === undefined) say(`there is no mesh in ${flags.namespace}; can one be installed?`);
      const findings = mesh === undefined ? await checkCluster(client, helmFor(flags), flags) : judgeMesh(mesh);
      tell(findings);
      if (hasErrors(findings)) process.exitCode = exitCodes.findings;
    },
  );
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function tell(findings: readonly Finding[]): void {
  process.stdout.write(findings.map(formatFinding).join(''));
}

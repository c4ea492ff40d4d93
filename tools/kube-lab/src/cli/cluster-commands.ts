/** Commands for a cluster. */
import { once } from 'node:events';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { LabCluster } from '../cluster/lab-cluster.ts';
import { LoadBalancer } from '../cluster/load-balancer.ts';
import { proxyModes, type ProxyMode } from '../cluster/lab-description.ts';
import { MAX_NODES } from '../cluster/address-plan.ts';
import { DockerEngine } from '../docker/docker-engine.ts';
import type { LabSettings } from '../lab-settings.ts';
import { printProgress } from '../progress.ts';
import { bringUp } from './interruptible.ts';
import { runHere } from './run-here.ts';
import { shellExports } from './shell-exports.ts';

interface UpFlags {
  readonly nodes: number;
  readonly dual?: boolean;
  readonly cpOnly?: boolean;
  readonly proxyMode: ProxyMode;
  readonly apiserverArg: readonly string[];
  readonly kubeletArg: readonly string[];
}

export function addClusterCommands(program: Command, settings: LabSettings): void {
  const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value];
  program
    .command('up')
    .description('bring a cluster up, and print what to export: eval "$(npm run -s kube-lab -- up)"')
    .option('--nodes <n>', 'number of nodes', nodeCount, 2)
    .option('--dual', 'IPv4 and IPv6')
    .option('--cp-only', 'etcd and the API server alone')
    .addOption(new Option('--proxy-mode <mode>', 'how kube-proxy works').choices(proxyModes).default('nftables'))
    .option('--apiserver-arg <argument>', 'one more argument; repeatable', collect, [])
    .option('--kubelet-arg <argument>', 'one more argument; repeatable', collect, [])
    .action(async (flags: UpFlags) => {
      const options = {
        nodes: flags.nodes,
        isDual: flags.dual === true,
        isControlPlaneOnly: flags.cpOnly === true,
        proxyMode: flags.proxyMode,
        apiServerArguments: flags.apiserverArg,
        kubeletArguments: flags.kubeletArg,
        progress: printProgress,
      };
      const lab = await bringUp(
        () => LabCluster.up(settings, options),
        () => LabCluster.giveUp(settings),
      );
      process.stdout.write(shellExports(lab.environment));
    });
  program
    .command('env')
    .description('print again what to export')
    .action(() => void process.stdout.write(shellExports(LabCluster.attach(settings).environment)));
  program
    .command('down')
    .description('stop and remove everything of this name, the Docker engine included')
    .action(async () => {
      await LabCluster.down(settings);
      await DockerEngine.down(settings);
      printProgress('down');
    });
  program
    .command('status')
    .description('what runs')
    .action(async () => void process.stdout.write(await LabCluster.attach(settings).status()));
  program
    .command('exec')
    .description('run a command where pod addresses and node ports are reachable')
    .argument('<command...>')
    .passThroughOptions()
    .action((argv: readonly string[]) => {
      const lab = LabCluster.attach(settings);
      runHere(lab.machines.commandInNetwork(argv), lab.environment);
    });
  program
    .command('lb')
    .description('give Services of type LoadBalancer addresses that "exec" reaches, until Ctrl-C')
    .action(async () => {
      await using _balancer = await LoadBalancer.start(LabCluster.attach(settings).kubeconfig, printProgress);
      printProgress('load balancer: Ctrl-C ends it');
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    });
  program
    .command('node-shell')
    .description('run a command, or a shell, on a node')
    .argument('<node>', 'its number', nodeNumber)
    .argument('[command...]')
    .passThroughOptions()
    .action((node: number, argv: readonly string[]) => {
      runHere(LabCluster.attach(settings).machines.commandOnNode(node, argv.length === 0 ? ['bash'] : argv));
    });
  program
    .command('node-add')
    .description('a further node, or a dead one again')
    .argument('[node]', 'its number', nodeNumber)
    .action(async (node?: number) => {
      const number = await LabCluster.attach(settings).machines.addNode(node);
      printProgress(`node${number} is Ready`);
    });
  program
    .command('node-kill')
    .description("a node's power loss")
    .argument('<node>', 'its number', nodeNumber)
    .action(async (node: number) => {
      await LabCluster.attach(settings).machines.killNode(node);
      printProgress(`node${node} is dead`);
    });
}

function nodeCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0 && count <= MAX_NODES) return count;
  throw new InvalidArgumentError(`expected 0 to ${MAX_NODES}`);
}

function nodeNumber(text: string): number {
  const number = Number(text.replace(/^node/, ''));
  if (Number.isInteger(number) && number >= 1 && number <= MAX_NODES) return number;
  throw new InvalidArgumentError(`expected 1 to ${MAX_NODES}`);
}

/** The command line of the lab. Standard output carries only what a shell may evaluate, or what was asked for. */
import { Command } from 'commander';
import { buildLab, packageList } from '../build/lab-builder.ts';
import { missingPackages } from '../build/debian-packages.ts';
import { checkProgramName, programNames, type ProgramName } from '../build/go-programs.ts';
import type { LabSettings } from '../lab-settings.ts';
import { printProgress } from '../progress.ts';
import { addClusterCommands } from './cluster-commands.ts';
import { addDockerCommands } from './docker-commands.ts';
import { addImageCommands } from './image-commands.ts';

const HELP = `
To begin, as root, with Go on the PATH (the first time builds Kubernetes, which takes several minutes):
  eval "$(npm run -s kube-lab -- up)"       KUBECONFIG and PATH for kubectl and helm
  kubectl get nodes
  npm run kube-lab -- down

Environment:
  AMBIT_KUBE_LAB_NAME   name of the lab; another one runs beside the first (default: kl)
  AMBIT_KUBE_LAB_PORT   port of the API server on 127.0.0.1 (default: 6443)
  AMBIT_KUBE_LAB_HOME   folder for what is built and for labs; not on overlayfs (default: ~/.cache/ambit/kube-lab)
  GOCACHE, GOMODCACHE   caches of Go (default: below that folder)`;
const USUAL: readonly ProgramName[] = ['kube', 'coredns', 'helm', 'nats-server'];

export function createProgram(settings: LabSettings): Command {
  const program = new Command('kube-lab')
    .description('A real Kubernetes of several nodes, and a Docker engine, on one Debian machine.')
    .showHelpAfterError('(kube-lab --help lists the commands)')
    .addHelpText('after', HELP)
    .enablePositionalOptions();
  program
    .command('build')
    .description('install packages and build programs and images, where missing; "up" does so itself')
    .argument('[programs...]', `out of ${programNames.join(', ')}`)
    .option('--node-image', 'also an image with this Node.js')
    .action(async (names: readonly string[], flags: { readonly nodeImage?: boolean }) => {
      const programs = names.length === 0 ? USUAL : names.map(checkProgramName);
      await buildLab(settings, { programs, withNodeImage: flags.nodeImage === true, progress: printProgress });
    });
  program
    .command('missing-packages')
    .description('print the Debian packages that a lab would install')
    .action(async () => void process.stdout.write(`${(await missingPackages(packageList)).join(' ')}\n`));
  addClusterCommands(program, settings);
  addImageCommands(program, settings);
  addDockerCommands(program, settings);
  return program;
}

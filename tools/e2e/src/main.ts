/** `npm run e2e [-- --only 1,2] [--kubeconfig file] [--keep]`: the mesh on a real Kubernetes. */
import { readLabSettings } from '@ambit/kube-lab';
import { exitCodes, toAmbitError } from '@ambit/runtime';
import { freePort } from '@ambit/testing';
import { Command } from 'commander';
import { E2eRun } from './e2e-run.ts';
import { obstacle } from './obstacle.ts';

interface Flags {
  readonly only?: string;
  readonly kubeconfig?: string;
  readonly keep?: boolean;
  readonly attach?: boolean;
  readonly loaded?: boolean;
}

const program = new Command('e2e')
  .description('Installs the mesh from images and charts on a two-node Kubernetes, and proves what it promises.')
  .option('--only <ids>', 'only these groups of claims, such as 1,2,4; group 1 installs the mesh')
  .option('--kubeconfig <file>', 'a cluster of two nodes or more, instead of labs on this machine')
  .option('--keep', 'leave the cluster up at the end')
  .option('--attach', 'go on with the cluster that an earlier --keep left, and leave it as it is')
  .option('--loaded', 'the nodes have the images already')
  .action(async ({ only, kubeconfig, keep, attach, loaded }: Flags) => {
    const settings = readLabSettings({
      AMBIT_KUBE_LAB_NAME: 'e2e',
      AMBIT_KUBE_LAB_PORT: String(await freePort()),
      ...process.env,
    });
    process.env['PATH'] = settings.searchPath;
    const reason = kubeconfig === undefined ? await obstacle(settings) : undefined;
    if (reason !== undefined) {
      process.stdout.write(`skipped: ${reason}\n0 passed, 0 failed, 1 skipped\n`);
      return;
    }
    const run = new E2eRun({
      settings,
      kubeconfig,
      only: only?.split(','),
      keeps: keep === true || attach === true,
      attaches: attach === true,
      hasImages: loaded === true,
      write: (line) => void process.stdout.write(`${line}\n`),
    });
    // A group that was given up may still wait for something.
    process.exit((await run.run()) ? exitCodes.ok : exitCodes.failed);
  });

try {
  await program.parseAsync();
} catch (cause) {
  process.stderr.write(`e2e: ${toAmbitError(cause).message}\n`);
  process.exitCode = exitCodes.failed;
}

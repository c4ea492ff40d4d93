/** An API server with etcd for one run, and the run inside of its network: a relay to it would take part of a core. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { controlPlaneNamespace, LabCluster, readLabSettings } from '@ambit/kube-lab';
import { AmbitError } from '@ambit/runtime';
import { freePort } from '@ambit/testing';

/**
 * An API server of a thousand nodes has a machine of its own. Here it shares two cores with what is measured, and with
 * Go's default a collection of its 3 GB would hold both of them for two seconds of every twenty.
 */
const API_SERVER_ENVIRONMENT = { GOGC: '400' };

/** Runs this program again with the same arguments and the kubeconfig. Rejects with KubeLabError, or when the run fails. */
export async function runBesideApiServer(stack: AsyncDisposableStack, tell: (line: string) => void): Promise<void> {
  // oxlint-disable-next-line node/no-process-env
  const settings = { ...readLabSettings(process.env), name: `b${process.pid % 100_000}`, port: await freePort() };
  stack.defer(() => LabCluster.giveUp(settings));
  const lab = await LabCluster.up(settings, {
    nodes: 0,
    isControlPlaneOnly: true,
    isDual: false,
    proxyMode: 'nftables',
    // Accounts of pods would have to exist; what runs here runs nowhere.
    apiServerArguments: ['--disable-admission-plugins=ServiceAccount'],
    apiServerEnvironment: API_SERVER_ENVIRONMENT,
    kubeletArguments: [],
    progress: tell,
  });
  const network = `--net=/run/netns/${controlPlaneNamespace(settings.name)}`;
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1), '--kubeconfig', lab.kubeconfig];
  const child = spawn('nsenter', [network, '--', ...again], { stdio: 'inherit' });
  const exited = once(child, 'exit');
  stack.defer(async () => {
    // The run takes its own processes down.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  });
  const [code] = await exited;
  if (code !== 0) throw new AmbitError('FAILED', `the run ended with code ${String(code)}`);
}

/** Which cluster a command talks to. */
import { clusterAccess, KubeClient } from '@ambit/kube';
import type { Command } from 'commander';

/** Options that every command on clusters has; named as in kubectl. */
export interface ClusterFlags {
  readonly kubeconfig: string;
  readonly context?: string;
}

/** @param kubeconfig the file to use when none is named */
export function addClusterOptions(command: Command, kubeconfig: string): Command {
  return command
    .option('--kubeconfig <file>', 'how to reach the cluster', kubeconfig)
    .option('--context <name>', "context of the kubeconfig, if not the file's current one");
}

/** Opens no connection yet. Rejects with KubeError `ACCESS` when the kubeconfig cannot be used. Close it at the end. */
export async function connectCluster(flags: ClusterFlags): Promise<KubeClient> {
  const access = await clusterAccess({
    kubeconfigPath: flags.kubeconfig,
    context: flags.context,
    allowsPlugins: true,
  });
  return new KubeClient(access, { userAgent: 'ambitctl' });
}

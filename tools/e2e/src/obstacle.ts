/** Why a lab cannot run on this machine. */
import { existsSync } from 'node:fs';
import { CachePaths, goVersion, type LabSettings } from '@ambit/kube-lab';

/** Undefined when nothing is in the way. */
export async function obstacle(settings: LabSettings): Promise<string | undefined> {
  if (process.getuid?.() !== 0)
    return 'a Kubernetes of our own needs root: sudo npm run e2e, or name a cluster by --kubeconfig';
  const isBuilt = existsSync(new CachePaths(settings).program('kube'));
  if (!isBuilt && (await goVersion(settings.searchPath)) === undefined)
    return 'Kubernetes is built with Go 1.21 or newer: put it on the PATH (go.dev/dl), or name a cluster by --kubeconfig';
  return undefined;
}

/**
 * `*.cluster.test.ts` with one real Kubernetes API server for all of them: etcd and the API server, no nodes. Tests find
 * it by `AMBIT_TEST_KUBECONFIG`; when the caller sets that, the caller's cluster is taken.
 */
import { existsSync } from 'node:fs';
import { buildLab, CachePaths, goVersion, LabCluster, printProgress, readLabSettings } from '@ambit/kube-lab';
import { toAmbitError } from '@ambit/runtime';
import { freePort } from '@ambit/testing';
import { failRing, runSerial, skipFiles } from './serial-ring.ts';
import { EMPTY_SUMMARY, type TestSummary } from './test-summary.ts';
import { PROJECTS, testFiles } from './test-files.ts';

/** Charts are tested with helm, which a lab without nodes does not bring. */
const PROGRAMS = ['kube', 'helm'] as const;

export async function runClusterRing(root: string): Promise<TestSummary> {
  const files = testFiles(root, PROJECTS, 'cluster');
  if (files.length === 0) return EMPTY_SUMMARY;
  const given = process.env['AMBIT_TEST_KUBECONFIG'];
  if (given !== undefined && given !== '') return runSerial(root, 'cluster', files);
  if (process.getuid?.() !== 0) return skipFiles(root, files, 'a Kubernetes needs root: run as root (sudo npm test)');
  const settings = { ...readLabSettings(process.env), name: `t${process.pid % 100_000}`, port: await freePort() };
  const cache = new CachePaths(settings);
  const isBuilt = PROGRAMS.every((program) => existsSync(cache.program(program)));
  if (!isBuilt && (await goVersion(settings.searchPath)) === undefined)
    return skipFiles(root, files, 'Kubernetes is built with Go 1.21 or newer: put it on the PATH (go.dev/dl)');
  try {
    await buildLab(settings, { programs: PROGRAMS, withImages: false, progress: printProgress });
    await using cluster = await LabCluster.up(settings, {
      nodes: 0,
      isControlPlaneOnly: true,
      isDual: false,
      proxyMode: 'nftables',
      apiServerArguments: [],
      kubeletArguments: [],
      progress: printProgress,
    });
    // A webhook under test has to be where the API server can reach it.
    const network = { AMBIT_TEST_API_NETNS: `${settings.name}-cp` };
    const env = { ...cluster.environment, ...network, AMBIT_TEST_KUBECONFIG: cluster.kubeconfig };
    return await runSerial(root, 'cluster', files, { env });
  } catch (cause) {
    return failRing(EMPTY_SUMMARY, `the cluster ring has no cluster: ${toAmbitError(cause).message}`);
  }
}

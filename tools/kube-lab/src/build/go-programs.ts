/** Programs that are built from Go modules: what they are pinned to, and how each is built. */
import { readFileSync, rmSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { KubeLabError } from '../kube-lab-error.ts';
import type { CachePaths } from '../lab-paths.ts';
import type { Progress } from '../progress.ts';
import { buildOnce, contentKey } from './built-record.ts';
import type { GoToolchain } from './go-toolchain.ts';

/** Not every version of a module is served by every proxy; look at `go list -m -versions MODULE` before changing one. */
const PINS = {
  coredns: { module: 'github.com/coredns/coredns@v1.15.0', hint: 'about a minute from nothing' },
  helm: { module: 'helm.sh/helm/v4/cmd/helm@v4.3.1', hint: 'about 3 minutes from nothing' },
  'nats-server': { module: 'github.com/nats-io/nats-server/v2@v2.15.2', hint: 'about half a minute from nothing' },
  kwok: { module: 'sigs.k8s.io/kwok/cmd/kwok@v0.7.0', hint: 'about 2 minutes from nothing' },
} as const;

/** `kube` is Kubernetes with kubectl and etcd in one program. */
export type ProgramName = 'kube' | keyof typeof PINS;

export const programNames: readonly ProgramName[] = ['kube', ...(Object.keys(PINS) as (keyof typeof PINS)[])];

const KUBE_SOURCES = join(import.meta.dirname, '../../go/kube');
/** Names under which other programs expect parts of `kube`. */
const KUBE_LINKS: readonly string[] = ['kubectl', 'kube-apiserver', 'etcd'];

/** @throws KubeLabError `BAD_ARGUMENT` */
export function checkProgramName(name: string): ProgramName {
  const known = programNames.find((one) => one === name);
  if (known !== undefined) return known;
  throw new KubeLabError(
    'BAD_ARGUMENT',
    `there is no program "${name}" to build; there are ${programNames.join(', ')}`,
  );
}

/** `v1.36.3`, as `go/kube/go.mod` says. */
export function kubernetesVersion(): string {
  const version = /^\s*k8s\.io\/kubernetes (v\S+)$/m.exec(readFileSync(join(KUBE_SOURCES, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new KubeLabError('BUILD_FAILED', 'go/kube/go.mod names no k8s.io/kubernetes');
  return version;
}

export async function buildProgram(
  name: ProgramName,
  go: GoToolchain,
  cache: CachePaths,
  progress: Progress,
): Promise<void> {
  if (name === 'kube') return buildKube(go, cache, progress);
  const { module, hint } = PINS[name];
  await buildOnce(
    {
      file: cache.program(name),
      key: module.slice(module.lastIndexOf('@') + 1),
      hint,
      build: () => go.run(name, ['install', '-v', '-trimpath', '-ldflags', '-s -w', module], cache.programs, progress),
    },
    progress,
  );
}

async function buildKube(go: GoToolchain, cache: CachePaths, progress: Progress): Promise<void> {
  const file = cache.program('kube');
  const sources = ['main.go', 'go.mod', 'go.sum'].map((source) => join(KUBE_SOURCES, source));
  await buildOnce(
    {
      file,
      key: `${kubernetesVersion()}-${contentKey([], sources)}`,
      hint: 'about 9 minutes from nothing with 2 cores',
      build: async () => {
        const flags = ['build', '-v', '-trimpath', '-ldflags', kubeLinkFlags(kubernetesVersion())];
        await go.run('kube', [...flags, '-o', `${file}.new`, '.'], KUBE_SOURCES, progress);
        renameSync(`${file}.new`, file);
        for (const link of KUBE_LINKS) {
          rmSync(cache.program(link), { force: true });
          symlinkSync('kube', cache.program(link));
        }
      },
    },
    progress,
  );
}

/** Without a version linked in, every component would call itself v0.0.0, and clients refuse to work with that. */
function kubeLinkFlags(version: string): string {
  const minor = version.split('.')[1] ?? '';
  const values = { gitVersion: version, gitMajor: '1', gitMinor: minor, gitTreeState: 'clean', gitCommit: 'kube-lab' };
  const settings = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((place) =>
    Object.entries(values).map(([key, value]) => `-X ${place}.${key}=${value}`),
  );
  return ['-s -w', ...settings].join(' ');
}

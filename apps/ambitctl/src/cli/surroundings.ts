/** What the command line takes from the environment, read once in `main.ts`. */
import { join } from 'node:path';

export interface Surroundings {
  readonly searchPath: string;
  /** Folder that holds the state of labs, one folder each. */
  readonly stateRoot: string;
  /** The program itself, to start it again in the background. */
  readonly program: string;
  /** The kubeconfig that is used when none is named: the first of `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig: string;
}

/** The system's folders are added to the path: `ip` and `nft` live in `/usr/sbin`, which not every shell searches. */
export function readSurroundings(env: Readonly<Record<string, string | undefined>>, program: string): Surroundings {
  const directories = (env['PATH'] ?? '').split(':').filter((directory) => directory !== '');
  for (const directory of ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'])
    if (!directories.includes(directory)) directories.push(directory);
  const [kubeconfig = ''] = (env['KUBECONFIG'] ?? '').split(':').filter((file) => file !== '');
  return {
    searchPath: directories.join(':'),
    stateRoot: join(env['XDG_RUNTIME_DIR'] ?? '/run', 'ambit-lab'),
    program,
    kubeconfig: kubeconfig === '' ? join(env['HOME'] ?? '/root', '.kube/config') : kubeconfig,
  };
}

/** What a lab takes from its surroundings: where it keeps things and what it is called. */
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { KubeLabError } from './kube-lab-error.ts';

export interface LabSettings {
  /** Cache of everything built, and below `run` the state of labs. Absolute. */
  readonly home: string;
  /** Prefix of network namespaces and cgroups; 1 to 8 characters. */
  readonly name: string;
  /** The API server's port, inside and on the machine's loopback. */
  readonly port: number;
  readonly goModuleCache: string;
  readonly goBuildCache: string;
  /** `PATH` with the system's own folders. */
  readonly searchPath: string;
}

export const DEFAULT_NAME = 'kl';
export const DEFAULT_PORT = 6443;

/**
 * Reads `AMBIT_KUBE_LAB_HOME`, `AMBIT_KUBE_LAB_NAME`, `AMBIT_KUBE_LAB_PORT`, `GOMODCACHE`, `GOCACHE` and `PATH`.
 * @throws KubeLabError `BAD_ARGUMENT`
 */
export function readLabSettings(env: Readonly<Record<string, string | undefined>>): LabSettings {
  const home = resolve(env['AMBIT_KUBE_LAB_HOME'] || join(homedir(), '.cache/ambit/kube-lab'));
  return {
    home,
    name: checkName(env['AMBIT_KUBE_LAB_NAME'] || DEFAULT_NAME),
    port: checkPort(env['AMBIT_KUBE_LAB_PORT'] || String(DEFAULT_PORT)),
    goModuleCache: env['GOMODCACHE'] || join(home, 'gomod'),
    goBuildCache: env['GOCACHE'] || join(home, 'gocache'),
    searchPath: searchPath(env['PATH'] ?? ''),
  };
}

/** Link names carry the prefix, and the kernel gives them 15 characters. */
export function isLabName(name: string): boolean {
  return /^[a-z][a-z0-9]{0,7}$/.test(name);
}

function checkName(name: string): string {
  if (isLabName(name)) return name;
  throw new KubeLabError('BAD_ARGUMENT', `lab name "${name}": use 1 to 8 small letters and digits`);
}

function checkPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new KubeLabError('BAD_ARGUMENT', `port "${text}": use a number from 1 to 65535`);
}

/** `ip` and `nft` lie where not every shell searches, Go where its installer puts it. */
function searchPath(path: string): string {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  for (const folder of [
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
    '/usr/local/go/bin',
  ])
    if (!folders.includes(folder)) folders.push(folder);
  return folders.join(delimiter);
}

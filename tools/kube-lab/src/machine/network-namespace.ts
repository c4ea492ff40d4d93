/** Named network namespaces, as `ip netns` keeps them. */
import { existsSync } from 'node:fs';
import { mustRun, runCommand } from '@ambit/runtime';
import { KubeLabError } from '../kube-lab-error.ts';
import { waitUntil } from './wait-until.ts';

export function namespacePath(name: string): string {
  return `/run/netns/${name}`;
}

/** @throws KubeLabError `ALREADY_UP` when somebody has one of this name. */
export async function addNamespace(name: string): Promise<void> {
  if (existsSync(namespacePath(name)))
    throw new KubeLabError('ALREADY_UP', `network namespace ${name} exists; see: ip netns pids ${name}`);
  await mustRun(['ip', 'netns', 'add', name]);
  await ipBatch(name, ['link set lo up']);
}

/** Runs several commands of `ip` in a namespace at once. */
export async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  await mustRun(['ip', '-n', namespace, '-batch', '-'], { stdin: `${commands.join('\n')}\n` });
}

/**
 * Waits for the last process to go and removes the namespace. A process that somebody put there is not killed, as it
 * may be the caller itself.
 * @returns ids of processes that are still in there
 */
export async function deleteNamespace(name: string): Promise<readonly string[]> {
  if (!existsSync(namespacePath(name))) return [];
  let left: readonly string[] = [];
  await waitUntil(3_000, async () => {
    left = await processesIn(name);
    return left.length === 0;
  });
  await runCommand(['ip', 'netns', 'delete', name]);
  return left;
}

/** Process ids inside a namespace. */
export async function processesIn(name: string): Promise<readonly string[]> {
  const { stdout } = await runCommand(['ip', 'netns', 'pids', name]);
  return stdout.split('\n').filter((line) => line !== '');
}

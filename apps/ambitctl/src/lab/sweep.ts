/**
 * Removes whatever a lab left on the machine, also after a crash: processes by a mark in their environment, namespaces
 * by the prefix of their name, control groups, the state folder. Idempotent.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { delay, LAB_MARKER } from '@ambit/runtime';
import { removeLabCgroups } from './cgroups.ts';
import { namespacePrefix } from './lab-names.ts';
import { deleteNamespace, listNamespaces } from './network.ts';

export interface SweepResult {
  readonly processes: number;
  readonly namespaces: number;
}

const KILL_DEADLINE_MS = 5_000;

/** @param root the lab's state folder. */
export async function sweepLab(lab: string, root: string): Promise<SweepResult> {
  const processes = await killMarked(lab);
  const namespaces = await listNamespaces(lab);
  for (const name of namespaces) await deleteNamespace(name);
  removeLabCgroups(lab);
  rmSync(root, { recursive: true, force: true });
  removeIfEmpty(dirname(root));
  return { processes, namespaces: namespaces.length };
}

/** What of a lab is left: empty when nothing is. */
export async function findLeftovers(lab: string, root: string): Promise<readonly string[]> {
  const processes = markedProcesses(lab).map((pid) => `process ${pid} ${commandOf(pid)}`);
  const namespaces = (await listNamespaces(lab)).map((name) => `namespace ${name}`);
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`/${namespacePrefix(lab)}`) || line.includes(` ${root}/`))
    .map((line) => `mount ${line}`);
  return [...processes, ...namespaces, ...mounts, ...(existsSync(root) ? [`folder ${root}`] : [])];
}

async function killMarked(lab: string): Promise<number> {
  const killed = new Set<number>();
  const signal = AbortSignal.timeout(KILL_DEADLINE_MS);
  for (let rest = markedProcesses(lab); rest.length > 0 && !signal.aborted; rest = markedProcesses(lab)) {
    for (const pid of rest) {
      killed.add(pid);
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await delay(20, { signal }).catch(() => {});
  }
  return killed.size;
}

/** Processes that were started with the lab's mark, without this one. A dead process that waits for its parent has no environment. */
function markedProcesses(lab: string): readonly number[] {
  const mark = `${LAB_MARKER}=${lab}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && readOr(`/proc/${pid}/environ`).split('\0').includes(mark));
}

/** The folder that held this lab's, unless another lab's is in it. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, or not there.
  }
}

function commandOf(pid: number): string {
  return readOr(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

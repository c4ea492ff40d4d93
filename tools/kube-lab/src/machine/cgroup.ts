/** A cgroup for each node, in every hierarchy of the machine: several of version 1, or one of version 2. */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sendSignal } from './background-process.ts';

const UNIFIED = '/sys/fs/cgroup';

export function addCgroup(name: string): void {
  for (const mount of mounts(existsSync(join(UNIFIED, 'cgroup.controllers')) ? ['cgroup2'] : ['cgroup'])) {
    const folder = join(mount, name);
    mkdirSync(folder, { recursive: true });
    if (existsSync(join(mount, 'cgroup.controllers'))) {
      for (const controller of readFileSync(join(mount, 'cgroup.controllers'), 'utf8').trim().split(' '))
        tryWrite(join(mount, 'cgroup.subtree_control'), `+${controller}`);
    } else if (existsSync(join(mount, 'cpuset.cpus'))) {
      // A new cpuset of version 1 is empty, and no process can join before both are filled.
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        writeFileSync(join(folder, file), readFileSync(join(mount, file)));
    }
  }
}

/** Removes the cgroup with all below; runc makes folders in the version 2 mount of a mixed machine, too. */
export function deleteCgroup(name: string): void {
  for (const mount of mounts(['cgroup', 'cgroup2'])) removeFolder(join(mount, name));
}

/** Kills every process of the cgroup and of those below. */
export function killCgroup(name: string): void {
  for (const mount of mounts(['cgroup', 'cgroup2'])) {
    const folder = join(mount, name);
    if (!existsSync(folder)) continue;
    for (const entry of ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
      const file = join(folder, entry, 'cgroup.procs');
      if (!lstatSync(join(folder, entry), { throwIfNoEntry: false })?.isDirectory() || !existsSync(file)) continue;
      for (const pid of readFileSync(file, 'utf8').split('\n')) if (Number(pid) > 1) sendSignal(Number(pid), 'SIGKILL');
    }
  }
}

function mounts(kinds: readonly string[]): readonly string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([, folder, kind]) => (folder !== undefined && kinds.includes(kind ?? '') ? [folder] : []));
}

function removeFolder(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeFolder(join(folder, entry.name));
  try {
    rmdirSync(folder);
  } catch {
    // A process in there ends later than we do.
  }
}

function tryWrite(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch {
    // Not every controller of the machine may be handed down.
  }
}

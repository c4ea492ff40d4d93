/**
 * One control group per pod where the machine lets us make them: what a pod uses can be read there, and the agent of a
 * real node finds a pod's processes by it. Best effort; without them a lab works the same.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Version 2 alone, version 2 beside version 1, or a version 1 controller that any process may be put into. */
const ROOTS: readonly string[] = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/pids'];
const MARKS: readonly string[] = ['cgroup.controllers', 'cgroup.procs'];

function cgroupRoot(): string | undefined {
  return ROOTS.find((root) => MARKS.some((mark) => existsSync(join(root, mark))));
}

function labDirectory(root: string, lab: string): string {
  return join(root, `ambit-lab-${lab}`);
}

/** Puts a process, and all it will start, into its pod's group. */
export function joinPodCgroup(lab: string, podUid: string, pid: number): void {
  const root = cgroupRoot();
  if (root === undefined) return;
  try {
    const directory = join(labDirectory(root, lab), `pod${podUid}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'cgroup.procs'), String(pid));
  } catch {
    // Read-only or not delegated to us.
  }
}

/** Removes the groups of a lab whose processes have ended. */
export function removeLabCgroups(lab: string): void {
  const root = cgroupRoot();
  if (root === undefined || !existsSync(labDirectory(root, lab))) return;
  const directory = labDirectory(root, lab);
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) rmdirSync(join(directory, entry.name));
    rmdirSync(directory);
  } catch {
    // A process is still ending in it; the next sweep takes it.
  }
}

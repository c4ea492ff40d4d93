/**
 * Finds a process of a pod by its cgroup: after a restart of the agent nobody else tells where a pod's namespace is.
 * The oldest process counts; it is the one that holds the sandbox. Spec: data-plane contract 4.7.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One scan answers for all pods that are asked for within this time. */
const FRESH_MS = 500;
const POD_UID = /pod([0-9a-f]{8}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{12})/;

export class ProcessScan {
  readonly #procRoot: string;
  readonly #nowMs: () => number;
  #scannedMs = -Infinity;
  #pids: ReadonlyMap<string, number> = new Map();

  constructor(procRoot: string, nowMs: () => number) {
    this.#procRoot = procRoot;
    this.#nowMs = nowMs;
  }

  /** Path of the network namespace of the pod's oldest process, if it has any. */
  netnsPath(podUid: string): string | undefined {
    const nowMs = this.#nowMs();
    if (nowMs - this.#scannedMs > FRESH_MS) {
      this.#pids = scan(this.#procRoot);
      this.#scannedMs = nowMs;
    }
    const pid = this.#pids.get(plain(podUid));
    return pid === undefined ? undefined : join(this.#procRoot, String(pid), 'ns/net');
  }
}

/** Pod uid without separators -> pid of its oldest process. */
function scan(procRoot: string): ReadonlyMap<string, number> {
  const oldest = new Map<string, { readonly pid: number; readonly startTicks: number }>();
  for (const name of readdirSync(procRoot)) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const uid = podUidOf(readFileSync(join(procRoot, name, 'cgroup'), 'utf8'));
      if (uid === undefined) continue;
      const startTicks = startTicksOf(readFileSync(join(procRoot, name, 'stat'), 'utf8'));
      const known = oldest.get(uid);
      if (!known || startTicks < known.startTicks) oldest.set(uid, { pid: Number(name), startTicks });
    } catch (cause) {
      // Ended since it was listed. Anything else, for instance no free descriptor, says nothing about the pods.
      if (!isGone(cause)) throw cause;
    }
  }
  return new Map([...oldest].map(([uid, { pid }]) => [uid, pid]));
}

function isGone(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ESRCH');
}

/** cgroupfs writes `/kubepods/burstable/pod<uid>/<container>`, systemd `kubepods-burstable-pod<uid with _>.slice`. */
export function podUidOf(cgroup: string): string | undefined {
  const uid = POD_UID.exec(cgroup)?.[1];
  return uid === undefined ? undefined : plain(uid);
}

/** Field 22; the second one is the program's name, in which anything may stand. */
export function startTicksOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

function plain(uid: string): string {
  return uid.replaceAll(/[-_]/g, '');
}

/** What this process, and all it starts, may do at most. */
import { readFileSync } from 'node:fs';

const CAP_SYS_RESOURCE = 24n;

/**
 * Some sandboxes and virtual machines take CAP_SYS_RESOURCE away for good: no process can then lower its
 * `oom_score_adj` below zero or raise its limits, whatever else root may do.
 */
export function hasSysResource(status: string = readFileSync('/proc/self/status', 'utf8')): boolean {
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return bounding !== undefined && ((BigInt(`0x${bounding}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
}

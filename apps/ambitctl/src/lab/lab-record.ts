/** What a lab tells other programs about itself: a file that `lab status`, `lab exec` and `lab label` read. */
import { existsSync, readFileSync } from 'node:fs';
import { LabError } from './lab-error.ts';
import type { LabPaths } from './lab-names.ts';
import { writeWhole } from './lab-tokens.ts';

export interface ProcessRecord {
  readonly name: string;
  readonly machine: string;
  readonly pid: number | undefined;
  readonly isReady: boolean;
  readonly restarts: number;
}

export interface PodRecord {
  readonly name: string;
  readonly node: string;
  readonly addresses: readonly string[];
  readonly netns: string;
  readonly directory: string;
  readonly isReady: boolean;
  readonly restarts: number;
  readonly redirection: string | undefined;
  readonly identity: string;
}

export interface LabRecord {
  readonly lab: string;
  /** Process that runs the lab. */
  readonly pid: number;
  readonly isUp: boolean;
  readonly nodes: readonly { readonly name: string; readonly netns: string; readonly address: string }[];
  readonly processes: readonly ProcessRecord[];
  readonly pods: readonly PodRecord[];
}

export function writeRecord(paths: LabPaths, record: LabRecord): void {
  writeWhole(paths.record, `${JSON.stringify(record, undefined, 2)}\n`, 0o644);
}

/** @throws LabError `LAB_UNKNOWN` when no such lab has been started. */
export function readRecord(paths: LabPaths): LabRecord {
  if (!existsSync(paths.record))
    throw new LabError('LAB_UNKNOWN', `no lab runs here (${paths.root}); start one with: ambitctl lab up`);
  // Written by this program; a file somebody else put there is as good as root's word.
  const record: LabRecord = JSON.parse(readFileSync(paths.record, 'utf8'));
  return record;
}

/** True while the process that runs the lab lives. */
export function isRunning(paths: LabPaths): boolean {
  try {
    process.kill(readRecord(paths).pid, 0);
    return true;
  } catch {
    return false;
  }
}

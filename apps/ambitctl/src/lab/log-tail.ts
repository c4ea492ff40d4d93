import { existsSync, readFileSync } from 'node:fs';
import type { LabPaths } from './lab-names.ts';

/** The last lines of the log of a process, or of a pod (`pod.<namespace>.<name>`). */
export function logTail(paths: LabPaths, name: string, lines = 15): string {
  const file = paths.log(name);
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : '(no output)';
}

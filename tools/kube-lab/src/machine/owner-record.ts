/**
 * Says which process a lab belongs to until it is released: what a process left that was killed is then found and
 * removed, and what somebody wanted to stay is not.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStartTime } from './background-process.ts';

const FILE = 'owner';

/** @param root folder of a lab; from now on it goes when this process goes */
export function recordOwner(root: string): void {
  writeFileSync(join(root, FILE), `${process.pid} ${processStartTime(process.pid) ?? ''}\n`);
}

/** From now on the lab stays until somebody takes it down. */
export function releaseOwner(root: string): void {
  rmSync(join(root, FILE), { force: true });
}

/** True when it belongs to this very process. */
export function isOurs(root: string): boolean {
  return owner(root)?.pid === process.pid && !isAbandoned(root);
}

/** True when the process that it belongs to is gone. */
export function isAbandoned(root: string): boolean {
  const found = owner(root);
  return found !== undefined && processStartTime(found.pid) !== found.time;
}

/** @param labs folder with one folder per lab @returns names of those that nobody will take down */
export function abandonedLabs(labs: string): readonly string[] {
  return existsSync(labs) ? readdirSync(labs).filter((name) => isAbandoned(join(labs, name))) : [];
}

function owner(root: string): { readonly pid: number; readonly time: string | undefined } | undefined {
  if (!existsSync(join(root, FILE))) return undefined;
  const [pid, time] = readFileSync(join(root, FILE), 'utf8').trim().split(' ');
  return { pid: Number(pid), time };
}

/** What processes have used, from /proc. */
import { readFileSync } from 'node:fs';

/** Linux reports in ticks of 10 ms on every platform Ambit runs on. */
const TICKS_A_SECOND = 100;

/** User plus system time of the processes so far, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold blanks and parentheses; fields are counted from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_A_SECOND;
}

/** What all processes and the kernel of the machine have used so far, in seconds. */
export function machineCpuSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = (
    /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  return (user + nice + system + interrupts + softInterrupts) / TICKS_A_SECOND;
}

export interface MemoryUse {
  readonly residentMiB: number;
  /** Pages no other process shares. */
  readonly privateMiB: number;
}

/** Largest of the processes, because each node runs one. */
export function largestMemory(pids: readonly number[]): MemoryUse {
  let largest: MemoryUse = { residentMiB: 0, privateMiB: 0 };
  for (const pid of pids) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
    const use = { residentMiB: kib('Rss') / 1024, privateMiB: (kib('Private_Clean') + kib('Private_Dirty')) / 1024 };
    if (use.privateMiB > largest.privateMiB) largest = use;
  }
  return largest;
}

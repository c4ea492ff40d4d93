/** What an attack did to the mesh's processes: whether they are the same ones, how much memory they hold, what they logged. */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import type { Lab } from '../../lab/lab.ts';

interface Vitals {
  readonly pid: number | undefined;
  readonly anonymousMib: number;
}

/** Watches some processes from its making on. */
export class ProcessWatch {
  readonly #lab: Lab;
  readonly #before: ReadonlyMap<string, Vitals>;

  constructor(lab: Lab, names: readonly string[]) {
    this.#lab = lab;
    this.#before = new Map(names.map((name) => [name, vitalsOf(lab, name)]));
  }

  /** Names of the processes that are not the ones they were. */
  replaced(): readonly string[] {
    return [...this.#before].filter(([name, { pid }]) => this.#lab.process(name).pid !== pid).map(([name]) => name);
  }

  /** MiB of private memory that the one which grew most has gained; below zero when all shrank. */
  growthMib(): number {
    return Math.max(
      ...[...this.#before].map(([name, { anonymousMib }]) => vitalsOf(this.#lab, name).anonymousMib - anonymousMib),
    );
  }
}

function vitalsOf(lab: Lab, name: string): Vitals {
  const { pid } = lab.process(name);
  const [, kib = '0'] =
    pid === undefined ? [] : (/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []);
  return { pid, anonymousMib: Number(kib) / 1_024 };
}

/** The lines a process logs after this was made. */
export class LogMark {
  readonly #file: string;
  readonly #start: number;
  readonly #lab: Lab;

  constructor(lab: Lab, name: string) {
    this.#lab = lab;
    this.#file = lab.paths.log(name);
    this.#start = statSync(this.#file).size;
  }

  lines(): readonly string[] {
    const length = statSync(this.#file).size - this.#start;
    const bytes = Buffer.alloc(Math.min(length, MAX_READ_BYTES));
    const fd = openSync(this.#file, 'r');
    try {
      const read = readSync(fd, bytes, 0, bytes.length, this.#start);
      return bytes.subarray(0, read).toString().split('\n');
    } finally {
      closeSync(fd);
    }
  }

  /** The first line that holds all the texts; undefined when none comes in time. */
  async find(...texts: readonly string[]): Promise<string | undefined> {
    let found: string | undefined;
    try {
      await this.#lab.waitFor(
        `a log line with ${texts.join(', ')}`,
        () => {
          found = this.lines().find((line) => texts.every((text) => line.includes(text)));
          return found !== undefined;
        },
        { timeoutMs: LINE_TIMEOUT_MS },
      );
    } catch {
      return undefined;
    }
    return found;
  }
}

const MAX_READ_BYTES = 8 * 1024 * 1024;
const LINE_TIMEOUT_MS = 5_000;

/** The `error` of an access log line in JSON. */
export function errorOf(line: string | undefined): string {
  if (line === undefined) return 'no log line';
  return /"error":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? 'no error in the log line';
}

/** Sum of the samples of a metric whose labels hold all the texts. */
export async function metricSum(lab: Lab, node: string, name: string, ...labels: readonly string[]): Promise<number> {
  const { body } = await lab.http(node, 15_020, '/metrics');
  return body
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

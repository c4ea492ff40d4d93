/**
 * Processes that outlive the command that started them. A file names process id and start time, as ids are used again;
 * output goes to a log. Each leads a process group of its own: one signal ends it with its children, and Ctrl-C in the
 * terminal of whoever started it does not reach it.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubeLabError } from '../kube-lab-error.ts';
import { namespacePath } from './network-namespace.ts';

export interface ProcessFolders {
  readonly processes: string;
  readonly logs: string;
}

export interface BackgroundCommand {
  readonly argv: readonly string[];
  /** The machine's own network when left out. */
  readonly networkNamespace?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The background processes of one lab, by name. */
export class BackgroundProcesses {
  readonly #folders: ProcessFolders;
  readonly #searchPath: string;

  constructor(folders: ProcessFolders, searchPath: string) {
    this.#folders = folders;
    this.#searchPath = searchPath;
  }

  /** @throws KubeLabError `TOOL_MISSING` when the program does not start. */
  async start(name: string, command: BackgroundCommand): Promise<void> {
    mkdirSync(this.#folders.processes, { recursive: true });
    mkdirSync(this.#folders.logs, { recursive: true });
    const { networkNamespace } = command;
    const enter = networkNamespace === undefined ? [] : ['nsenter', `--net=${namespacePath(networkNamespace)}`, '--'];
    const [program = '', ...args] = [...enter, ...command.argv];
    const log = openSync(this.logFile(name), 'a', 0o600);
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, PATH: this.#searchPath, ...command.env },
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(new KubeLabError('TOOL_MISSING', `cannot start ${name}: ${cause.message}`, cause)),
      );
    });
    child.unref();
    const pid = child.pid ?? 0;
    writeFileSync(this.#file(name), `${pid} ${processStartTime(pid) ?? ''}\n`);
  }

  /** Process id while that very process lives. */
  pid(name: string): number | undefined {
    try {
      const [pid, time] = readFileSync(this.#file(name), 'utf8').trim().split(' ');
      return time !== undefined && processStartTime(Number(pid)) === time ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }

  /** All that were started and not stopped, dead ones included. */
  names(): readonly string[] {
    try {
      return readdirSync(this.#folders.processes).toSorted();
    } catch {
      return [];
    }
  }

  /**
   * Ends it with its process group. SIGKILL by default: the API server's graceful end takes up to a minute, and
   * nothing here is worth saving.
   */
  stop(name: string, signal: NodeJS.Signals = 'SIGKILL'): void {
    const pid = this.pid(name);
    if (pid !== undefined) sendSignal(-pid, signal);
    if (signal === 'SIGKILL') rmSync(this.#file(name), { force: true });
  }

  logFile(name: string): string {
    return join(this.#folders.logs, `${name}.log`);
  }

  #file(name: string): string {
    return join(this.#folders.processes, name);
  }
}

/** Signals a process, or a group by its negative id; one that is gone is fine. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}

/** In clock ticks since boot; undefined for none and for one that only waits to be collected. */
export function processStartTime(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold spaces and brackets; fields are counted behind its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** A process of the lab that is started again when it ends, as the kubelet would, with its output in a file. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Backoff, systemClock, type Clock } from '@ambit/runtime';

export interface ProcessCommand {
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface SupervisedProcessOptions {
  readonly name: string;
  /** Asked for at each start. */
  readonly command: () => ProcessCommand;
  readonly logFile: string;
  /** The program is the only child of a wrapper that ends with it; signals go to the program. Default false. */
  readonly isWrapped?: boolean;
  /** Default true. */
  readonly restarts?: boolean;
  readonly onStart?: () => void;
  /** Not called for the end that `stop` asks for. */
  readonly onExit?: (description: string) => void;
  readonly clock?: Clock;
}

/** A process that ran this long has earned a quick restart. */
const STABLE_MS = 10_000;
const MAX_RESTART_MS = 10_000;
const WRAPPER_GRACE_MS = 1_000;

export class SupervisedProcess {
  readonly name: string;
  readonly #options: SupervisedProcessOptions;
  readonly #clock: Clock;
  readonly #backoff = new Backoff({ initialMs: 200, maxMs: MAX_RESTART_MS });
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restart: Disposable | undefined;
  #isWanted = false;
  #restarts = 0;

  constructor(options: SupervisedProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Process id while it runs. For a pod this is the outer process, whose end ends the pod. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    this.#isWanted = true;
    if (!this.#child) this.#spawn();
  }

  /** Sends a signal; the process is started again if it ends by it. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.#child) this.#signal(this.#child, signal);
  }

  /** Ends the process and keeps it ended: by SIGTERM first, by SIGKILL after `graceMs` (0: at once). */
  async stop(graceMs = 0): Promise<void> {
    this.#isWanted = false;
    this.#restart?.[Symbol.dispose]();
    const child = this.#child;
    if (!child) return;
    this.#signal(child, graceMs > 0 ? 'SIGTERM' : 'SIGKILL');
    const force = this.#clock.after(graceMs, () => this.#signal(child, 'SIGKILL'));
    const last = this.#clock.after(graceMs + WRAPPER_GRACE_MS, () => child.kill('SIGKILL'));
    await this.#ended;
    force[Symbol.dispose]();
    last[Symbol.dispose]();
  }

  /** Resolves when the present run has ended. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** A wrapper that is killed itself would leave its child to the machine's init, which may not care for it. */
  #signal(child: ChildProcess, signal: NodeJS.Signals): void {
    const inner = this.#options.isWrapped === true && child.pid !== undefined ? onlyChild(child.pid) : undefined;
    if (inner === undefined) child.kill(signal);
    else sendSignal(inner, signal);
  }

  #spawn(): void {
    const {
      argv: [program = '', ...args],
      env,
      cwd,
    } = this.#options.command();
    mkdirSync(dirname(this.#options.logFile), { recursive: true });
    const log = openSync(this.#options.logFile, 'a', 0o600);
    const startedMs = this.#clock.nowMs();
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: { ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const onEnd = (description: string): void => {
        if (this.#child !== child) return;
        this.#child = undefined;
        writeSync(log, `-- ${this.name} ended: ${description}\n`);
        closeSync(log);
        resolve();
        this.#onEnd(description, this.#clock.nowMs() - startedMs);
      };
      child.on('error', (cause) => onEnd(cause.message));
      child.on('exit', (code, signal) => onEnd(signal === null ? `code ${code}` : signal));
    });
    this.#options.onStart?.();
  }

  #onEnd(description: string, ranMs: number): void {
    if (!this.#isWanted) return;
    this.#options.onExit?.(description);
    if (this.#options.restarts === false) return;
    if (ranMs >= STABLE_MS) this.#backoff.reset();
    this.#restart = this.#clock.after(this.#backoff.nextMs(), () => {
      if (!this.#isWanted || this.#child) return;
      this.#restarts += 1;
      this.#spawn();
    });
  }
}

function onlyChild(pid: number): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first === undefined || first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}

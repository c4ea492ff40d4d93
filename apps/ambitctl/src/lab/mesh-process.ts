/** One of the mesh's processes in a lab: started with the pinned Node, restarted when it ends, asked whether it is ready. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '@ambit/runtime';
import { processEntry } from './process-entry.ts';
import { enclose } from './enclosure.ts';
import { httpInNamespace } from './namespace-socket.ts';
import type { PlannedProcess } from './process-plan.ts';
import { SupervisedProcess } from './supervised-process.ts';

export interface MeshProcessOptions {
  readonly plan: PlannedProcess;
  /** Root of the repository, where entries are found. */
  readonly repository: string;
  readonly netns: string;
  readonly nodeDirectory: string;
  /** The node's resolver; undefined on the fabric. */
  readonly nameserver: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly onProblem: (message: string) => void;
}

const POLL_MS = 100;
const CHECK_TIMEOUT_MS = 1_000;

export class MeshProcess {
  readonly plan: PlannedProcess;
  readonly #options: MeshProcessOptions;
  readonly #process: SupervisedProcess;
  #isReady = false;

  constructor(options: MeshProcessOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.#process = new SupervisedProcess({
      name: options.plan.name,
      command: () => ({ argv: this.#command(), env: { ...options.env, ...options.plan.env }, cwd: options.repository }),
      logFile: options.logFile,
      onStart: () => {
        this.#isReady = false;
      },
      onExit: (description) => {
        this.#isReady = false;
        options.onProblem(`${options.plan.name} ended: ${description}`);
      },
    });
  }

  get name(): string {
    return this.plan.name;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get restarts(): number {
    return this.#process.restarts;
  }

  /** As found by the last check. */
  get isReady(): boolean {
    return this.#isReady;
  }

  start(): void {
    this.#process.start();
  }

  /** Ends it by a signal; it is started again. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#isReady = false;
    this.#process.kill(signal);
  }

  /** Ends it until `start`; `graceMs` above zero lets it drain first. */
  async stop(graceMs = 0): Promise<void> {
    this.#isReady = false;
    await this.#process.stop(graceMs);
  }

  /** Resolves when the present run has ended. */
  ended(): Promise<void> {
    return this.#process.ended();
  }

  /** @throws the signal's reason when it takes too long. */
  async waitReady(timeoutMs: number): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (!(await this.check())) await delay(POLL_MS, { signal });
  }

  /** Asks the process whether it is ready. */
  async check(): Promise<boolean> {
    this.#isReady = this.pid !== undefined && (await this.#check());
    return this.#isReady;
  }

  async #check(): Promise<boolean> {
    const { readiness } = this.plan;
    if (readiness.kind === 'file') return existsSync(readiness.path);
    try {
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
      return (
        (await httpInNamespace(this.#options.netns, '127.0.0.1', readiness.port, readiness.path, { signal })).status ===
        200
      );
    } catch {
      return false;
    }
  }

  #command(): readonly string[] {
    const { netns, nodeDirectory, nameserver, repository } = this.#options;
    const { program, nodeOptions } = this.plan;
    const argv =
      program === undefined
        ? [process.execPath, ...(nodeOptions ?? []), processEntry(repository, this.plan.entry), ...this.plan.args]
        : [program, ...this.plan.args];
    mkdirSync(nodeDirectory, { recursive: true });
    if (!this.plan.usesNodeResolver || nameserver === undefined) return enclose({ netns }, argv);
    const resolvConf = join(nodeDirectory, 'resolv.conf');
    writeFileSync(resolvConf, `nameserver ${nameserver}\n`);
    return enclose({ netns, overlays: [[resolvConf, '/etc/resolv.conf']] }, argv);
  }
}

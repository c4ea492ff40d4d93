/** A control plane as a process of its own. For tests only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

/** What the process said when it was ready. */
export interface Ports {
  readonly port: number;
  readonly httpPort: number;
  readonly metricsPort: number;
}

export class ControlPlaneProcess implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  constructor(env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, '../main.ts')], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
  }

  /** The ports; undefined before it is ready. Throws when the process has ended. */
  ports(): Ports | undefined {
    if (this.#child.exitCode !== null) throw new Error(`the control plane ended: ${this.lines.join('\n')}`);
    const line = this.lines.find((candidate) => candidate.includes('control plane is ready'));
    if (line === undefined) return undefined;
    const fields: unknown = JSON.parse(line);
    const entries = typeof fields === 'object' && fields !== null ? Object.entries(fields) : [];
    const number = (key: string): number => Number(new Map<string, unknown>(entries).get(key));
    return { port: number('port'), httpPort: number('httpPort'), metricsPort: number('metricsPort') };
  }

  /** Ends it as Kubernetes does; resolves with its exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

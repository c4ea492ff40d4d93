/** Programs of the lab that run for a while: a held connection, a constant load. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Lab } from '../../lab/lab.ts';

const ANSWER_TIMEOUT_MS = 15_000;

/** Path of one of the example lab's own programs. */
export function serviceFile(lab: Lab, name: string): string {
  return join(lab.description.directory, 'services', name);
}

/** A program in a pod that is talked to line by line. Ends when disposed. */
export class LabProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #received: string[] = [];
  #stderr = '';
  #isEnded = false;

  constructor(lab: Lab, pod: string, argv: readonly string[]) {
    this.#child = lab.spawn(pod, argv);
    if (!this.#child.stdout || !this.#child.stderr) throw new Error('no output');
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on('line', (line) => {
      this.#received.push(line);
      this.#child.emit('news');
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.on('close', () => {
      this.#isEnded = true;
      this.#child.emit('news');
    });
  }

  /** The next line; undefined when the program has ended without one. */
  async line(timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<string | undefined> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (this.#received.length === 0 && !this.#isEnded) await once(this.#child, 'news', { signal });
    return (
      this.#received.shift() ?? (this.#stderr === '' ? undefined : `broken ${this.#stderr.trim().split('\n').at(-1)}`)
    );
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

/** One connection that is kept busy: a word every 50 ms that has to come back. */
export class HeldConnection implements AsyncDisposable {
  readonly #program: LabProgram;
  /** The server's first line: who it thinks is calling. */
  readonly greeting: string;
  #broken: string | undefined;

  private constructor(program: LabProgram, greeting: string) {
    this.#program = program;
    this.greeting = greeting;
  }

  /** @throws Error when it cannot be opened. */
  static async open(lab: Lab, pod: string, host: string, port: number): Promise<HeldConnection> {
    const program = new LabProgram(lab, pod, [process.execPath, serviceFile(lab, 'hold.ts'), host, String(port)]);
    const line = await program.line();
    if (line?.startsWith('open ')) return new HeldConnection(program, line.slice('open '.length));
    await program[Symbol.asyncDispose]();
    throw new Error(`no connection from ${pod} to ${host}:${port}: ${line ?? 'no answer'}`);
  }

  /** Words that came back so far; undefined once the connection is broken. */
  async words(): Promise<number | undefined> {
    if (this.#broken !== undefined) return undefined;
    this.#program.say('?');
    const line = (await this.#program.line()) ?? 'broken without a word';
    if (!line.startsWith('broken')) return Number(line);
    this.#broken = line.slice('broken '.length);
    return undefined;
  }

  /** Why it broke. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** True when words still come back after this call. */
  async isAlive(): Promise<boolean> {
    const before = await this.words();
    if (before === undefined) return false;
    for (let look = 0; look < 40; look += 1) {
      const now = await this.words();
      if (now === undefined) return false;
      if (now > before + 1) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  }

  /** Resolves with the time until it broke; undefined when it did not within the deadline. */
  async brokeWithin(deadlineMs: number): Promise<number | undefined> {
    const startMs = performance.now();
    while (performance.now() - startMs < deadlineMs) {
      if ((await this.words()) === undefined) return performance.now() - startMs;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

export interface LoadResult {
  readonly ok: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly failures: Readonly<Record<string, number>>;
  /** When the first of them failed, RFC 3339. */
  readonly failedAt: readonly string[];
}

/** A constant load of HTTP requests from one pod. */
export class LoadRun implements AsyncDisposable {
  readonly #program: LabProgram;

  /** `new`: each request on a connection of its own; `keep`: each worker keeps one. */
  constructor(lab: Lab, pod: string, url: string, workers: number, mode: 'new' | 'keep') {
    this.#program = new LabProgram(lab, pod, [
      process.execPath,
      serviceFile(lab, 'load.ts'),
      url,
      String(workers),
      mode,
    ]);
  }

  /** Lets the requests in progress end; gives what came of all. */
  async stop(): Promise<LoadResult> {
    this.#program.endInput();
    const line = await this.#program.line(30_000);
    if (line === undefined || line.startsWith('broken'))
      throw new Error(`the load ended without a result: ${line ?? ''}`);
    // Our own program's line.
    const result: LoadResult = JSON.parse(line);
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

/** One sentence about a load. */
export function describeLoad({ ok, failed, slowestMs, failures, failedAt }: LoadResult): string {
  const causes = Object.entries(failures)
    .map(([cause, count]) => `${count}x ${cause}`)
    .join(', ');
  return `${ok} requests answered, ${failed} lost${causes === '' ? '' : ` (${causes}, at ${failedAt.slice(0, 3).join(', ')})`}, slowest ${slowestMs} ms`;
}

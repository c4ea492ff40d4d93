/** Runs the load generator (native/load.c) inside a network namespace and reads its one line of JSON. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AmbitError, mustRun } from '@ambit/runtime';

const SOURCE = fileURLToPath(new URL('../native/load.c', import.meta.url));
const BINARY = fileURLToPath(new URL('../dist/load', import.meta.url));

/** Compiles the generator when its source is newer; returns the path of the program. */
export async function buildLoadTool(): Promise<string> {
  if (!existsSync(BINARY) || statSync(BINARY).mtimeMs < statSync(SOURCE).mtimeMs) {
    mkdirSync(dirname(BINARY), { recursive: true });
    await mustRun(['cc', '-O2', '-Wall', '-o', BINARY, SOURCE]);
  }
  return BINARY;
}

export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface RequestFigures {
  readonly perSecond: number;
  readonly count: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface BulkFigures {
  readonly gbitPerSecond: number;
  readonly bytes: number;
  readonly errors: number;
}

export class LoadTool {
  readonly #binary: string;
  readonly #netns: string;

  /** `netns` is the path of the namespace the load comes from. */
  constructor(binary: string, netns: string) {
    this.#binary = binary;
    this.#netns = netns;
  }

  async requests(target: Target, connections: number, seconds: number, sizeBytes = 1_024): Promise<RequestFigures> {
    return readRequestFigures(await this.#run('requests', target, [connections, seconds, sizeBytes], seconds));
  }

  async connects(target: Target, concurrency: number, seconds: number, sizeBytes = 1_024): Promise<RequestFigures> {
    return readRequestFigures(await this.#run('connects', target, [concurrency, seconds, sizeBytes], seconds));
  }

  async bulk(target: Target, flows: number, seconds: number, direction: 'up' | 'down'): Promise<BulkFigures> {
    const figures = await this.#run('bulk', target, [flows, seconds, direction], seconds);
    return {
      gbitPerSecond: numberAt(figures, 'gbitPerSecond'),
      bytes: numberAt(figures, 'bytes'),
      errors: numberAt(figures, 'errors'),
    };
  }

  /** Holds connections open until disposed. */
  async idle(
    target: Target,
    connections: number,
  ): Promise<Disposable & { readonly open: number; readonly errors: number }> {
    const child = spawn(
      'nsenter',
      [`--net=${this.#netns}`, this.#binary, 'idle', target.address, String(target.port), String(connections)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const figures = parseFigures(await firstLine(child));
    return {
      open: numberAt(figures, 'open'),
      errors: numberAt(figures, 'errors'),
      [Symbol.dispose]: () => void child.stdin?.end(),
    };
  }

  async #run(
    mode: string,
    target: Target,
    parameters: readonly (string | number)[],
    seconds: number,
  ): Promise<Figures> {
    const args = [
      `--net=${this.#netns}`,
      this.#binary,
      mode,
      target.address,
      String(target.port),
      ...parameters.map(String),
    ];
    const stdout = await mustRun(['nsenter', ...args], { timeoutMs: seconds * 1_000 + 30_000 });
    return parseFigures(stdout);
  }
}

type Figures = Readonly<Record<string, unknown>>;

function readRequestFigures(figures: Figures): RequestFigures {
  return {
    perSecond: numberAt(figures, 'perSecond'),
    count: numberAt(figures, 'count'),
    errors: numberAt(figures, 'errors'),
    p50Us: numberAt(figures, 'p50Us'),
    p99Us: numberAt(figures, 'p99Us'),
  };
}

function parseFigures(line: string): Figures {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null)
    throw new AmbitError('BENCH_OUTPUT', `the load generator printed ${line}`);
  return { ...value };
}

function numberAt(figures: Figures, key: string): number {
  const value = figures[key];
  if (typeof value !== 'number') throw new AmbitError('BENCH_OUTPUT', `the load generator printed no ${key}`);
  return value;
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'));
  }
  throw new AmbitError('BENCH_OUTPUT', 'the load generator ended without a result');
}

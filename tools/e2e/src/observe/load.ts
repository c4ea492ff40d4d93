/** A constant load from a pod (`services/load.ts`), and what came of it. */
import { createInterface, type Interface } from 'node:readline';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { E2eError } from '../e2e-error.ts';
import type { Objects } from '../cluster/objects.ts';

export interface RequestFigures {
  readonly ok: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly failures: Readonly<Record<string, number>>;
}

export interface LoadFigures {
  /** Each on a connection of its own. */
  readonly fresh: RequestFigures;
  /** On connections that are kept. */
  readonly kept: RequestFigures;
  /** Connections that are held open, with words going to and fro. */
  readonly held: {
    readonly broken: number;
    readonly words: number;
    readonly failures: Readonly<Record<string, number>>;
  };
}

const ANSWER_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 15_000;

export class Load implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #complaint = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on(
      'data',
      (chunk: Buffer) => (this.#complaint = `${this.#complaint}${chunk.toString()}`.slice(-2_000)),
    );
    child.stdin?.on('error', () => {});
    if (child.stdout === null) throw new E2eError('UNEXPECTED_ANSWER', 'the load has no output');
    const lines: Interface = createInterface({ input: child.stdout });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Starts it, and resolves when it is under way. */
  static async start(objects: Objects, namespace: string, pod: string, host: string): Promise<Load> {
    const load = new Load(objects.spawn(namespace, pod, ['node', '/services/load.ts', host, '80', '9000']));
    await objects.until(
      () => `the load on ${host} is not under way`,
      async () => (await load.look()).fresh.ok > 0,
      30,
    );
    return load;
  }

  /** Figures since the last look. @throws E2eError `UNEXPECTED_ANSWER` when the load has ended */
  async look(): Promise<LoadFigures> {
    this.#child.stdin?.write('look\n');
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const line = await Promise.race([this.#lines.next(), once(timeout, 'abort').then(() => undefined)]);
    if (line === undefined || line.done === true)
      throw new E2eError(
        'UNEXPECTED_ANSWER',
        `the load gives no figures: ${this.#complaint.trim() || 'no reason given'}`,
      );
    const figures: unknown = JSON.parse(line.value);
    if (!isLoadFigures(figures)) throw new E2eError('UNEXPECTED_ANSWER', `these are no figures: ${line.value}`);
    return figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    const force = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await ended;
    clearTimeout(force);
  }
}

/** True when something was asked in each way and nothing was lost. */
export function isWithoutLoss({ fresh, kept, held }: LoadFigures): boolean {
  return fresh.ok > 0 && kept.ok > 0 && held.words > 0 && lost({ fresh, kept, held }) === 0;
}

export function lost({ fresh, kept, held }: LoadFigures): number {
  return fresh.failed + kept.failed + held.broken;
}

/** Requests that were begun: answered or lost. */
export function begun({ fresh, kept }: LoadFigures): number {
  return fresh.ok + fresh.failed + kept.ok + kept.failed;
}

/** `new connections 412 ok, 0 lost; kept ...; 10 held: 0 broken`. */
export function describeLoad({ fresh, kept, held }: LoadFigures): string {
  const why = (failures: Readonly<Record<string, number>>): string => {
    const reasons = Object.entries(failures).map(([reason, count]) => `${count} ${reason}`);
    return reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
  };
  const requests = ({ ok, failed, slowestMs, failures }: RequestFigures): string =>
    `${ok} answered, ${failed} lost${why(failures)}, slowest ${slowestMs} ms`;
  return `new connections: ${requests(fresh)}; kept: ${requests(kept)}; held: ${held.broken} broken${why(held.failures)} in ${held.words} words`;
}

function isLoadFigures(value: unknown): value is LoadFigures {
  return typeof value === 'object' && value !== null && 'fresh' in value && 'kept' in value && 'held' in value;
}

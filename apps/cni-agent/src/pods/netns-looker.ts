/**
 * The agent's side of `ambit-netns`: what a network namespace holds, and its return path, without starting a process for
 * each question. Requests are answered in order; a program that ends is started again at the next request.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { AmbitError } from '@ambit/runtime';
import { readNetnsView, type NetnsView } from './netns-view.ts';

export interface NetnsLookerOptions {
  /** Path of the program. */
  readonly program: string;
  /** A procfs whose `sys/net` may be written. */
  readonly procRoot: string;
  /** Also tell changes of legacy iptables. */
  readonly legacyTables: boolean;
}

interface Waiting {
  readonly resolve: (line: string) => void;
  readonly reject: (error: AmbitError) => void;
  readonly deadline: NodeJS.Timeout;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

const ANSWER_MS = 5_000;
const MAX_LINE_BYTES = 512 * 1024;
const MAX_WAITING = 1_000;

export class NetnsLooker implements Disposable {
  readonly #options: NetnsLookerOptions;
  #child: Child | undefined;
  #waiting: Waiting[] = [];
  #partial = '';
  #isDisposed = false;

  constructor(options: NetnsLookerOptions) {
    this.#options = options;
  }

  /** @throws AmbitError `NETNS_LOOK_FAILED`, retryable. */
  async look(enterPath: string): Promise<NetnsView> {
    const answer = await this.#ask(`look ${enterPath}${this.#options.legacyTables ? ' legacy' : ''}`);
    return readNetnsView(answer) ?? fail(`ambit-netns cannot look into ${enterPath}: ${answer}`);
  }

  /** Installs rule, route and connection-tracking setting by which answers to spoofed clients come back. Idempotent. */
  async prepare(enterPath: string): Promise<void> {
    const answer = await this.#ask(`prepare ${enterPath}`);
    if (!answer.startsWith('{"ok":true')) fail(`the return path of ${enterPath} cannot be installed: ${answer}`);
  }

  /** Prepares, and puts rules into a namespace that has none; false when it has some, which are left as they are. */
  async capture(enterPath: string, rules: string): Promise<boolean> {
    const answer = await this.#ask(`capture ${enterPath} ${rules}`);
    if (!answer.startsWith('{"ok":true')) fail(`the rules of ${enterPath} cannot be put in: ${answer}`);
    return answer === '{"ok":true,"fresh":true}';
  }

  /** All rules of nftables that the namespace holds, as `capture` takes them. */
  async rules(enterPath: string): Promise<string> {
    const answer = await this.#ask(`rules ${enterPath}`);
    return /^\{"ok":true,"rules":"([0-9a-f]*)"\}$/.exec(answer)?.[1] ?? fail(`no rules of ${enterPath}: ${answer}`);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#end('the agent ends');
  }

  #ask(line: string): Promise<string> {
    if (this.#isDisposed || this.#waiting.length >= MAX_WAITING)
      return Promise.reject(lookError('too many questions about namespaces at a time'));
    const child = (this.#child ??= this.#start());
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => this.#end('ambit-netns does not answer'), ANSWER_MS);
      this.#waiting.push({ resolve, reject, deadline });
      if (child.pid !== undefined) child.stdin.write(`${line}\n`);
    });
  }

  #start(): Child {
    const child = spawn(this.#options.program, [this.#options.procRoot], { stdio: ['pipe', 'pipe', 'inherit'] });
    // Without a free descriptor the program has not been started, and there are no pipes to it either.
    const isStarted = child.pid !== undefined;
    const ended = (reason: string) => (): void => {
      if (this.#child === child) this.#end(reason);
    };
    child.on('error', ended(`${this.#options.program} cannot be started`));
    if (!isStarted) return child;
    child.on('exit', ended('ambit-netns ended'));
    child.stdin.on('error', ended('ambit-netns does not read'));
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (this.#child === child) this.#receive(chunk);
    });
    // Neither the program nor its pipes keep the agent from ending.
    child.unref();
    return child;
  }

  #receive(chunk: string): void {
    const lines = (this.#partial + chunk).split('\n');
    this.#partial = lines.pop() ?? '';
    if (this.#partial.length > MAX_LINE_BYTES) return this.#end('ambit-netns talks too much');
    for (const line of lines) {
      const waiting = this.#waiting.shift();
      clearTimeout(waiting?.deadline);
      waiting?.resolve(line);
    }
  }

  #end(reason: string): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
    this.#partial = '';
    for (const { reject, deadline } of this.#waiting.splice(0)) {
      clearTimeout(deadline);
      reject(lookError(reason));
    }
  }
}

function lookError(message: string): AmbitError {
  return new AmbitError('NETNS_LOOK_FAILED', message, { retryable: true });
}

function fail(message: string): never {
  throw lookError(message);
}

/** The process of xDS clients, seen from the benchmark. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { AmbitError } from '@ambit/runtime';
import type { ClientsCommand, ClientsEvent, ClientsOrder, LatencyReport } from './client-messages.ts';

const PROGRAM = fileURLToPath(new URL('./xds-clients.ts', import.meta.url));

export class ClientsProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  #listener: (event: ClientsEvent) => void = () => undefined;
  /** Reasons why streams failed, the first few. */
  readonly problems: string[] = [];

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    child.on('message', (event: ClientsEvent) => {
      if (event.kind === 'failed' && this.problems.length < 5) this.problems.push(event.reason);
      this.#listener(event);
    });
  }

  static start(): ClientsProcess {
    const child = fork(PROGRAM, {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { PATH: '/usr/bin:/bin' },
    });
    if (child.pid === undefined) throw new AmbitError('NO_PROCESS', 'the xDS clients could not be started');
    return new ClientsProcess(child, child.pid);
  }

  /** Connects as soon as the port is open; resolves when every client has everything. Rejects when a stream fails first. */
  connect(order: ClientsOrder, tell: (line: string) => void): Promise<Extract<ClientsEvent, { kind: 'served' }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<ClientsEvent, { kind: 'served' }>>();
    this.#listener = (event) => {
      if (event.kind === 'served') resolve(event);
      else if (event.kind === 'failed') reject(new AmbitError('STREAM_FAILED', event.reason));
      else if (event.kind === 'waiting') {
        tell(`${event.answers} first answers are awaited, ${(event.bytes / 1024 / 1024).toFixed(0)} MiB have come`);
      }
    };
    this.#send({ kind: 'connect', order });
    return promise;
  }

  reset(): void {
    this.#send({ kind: 'reset' });
  }

  /** What was seen since the last report or reset. */
  report(): Promise<LatencyReport> {
    const { promise, resolve } = Promise.withResolvers<LatencyReport>();
    this.#listener = (event) => {
      if (event.kind === 'report') resolve(event.report);
    };
    this.#send({ kind: 'report' });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #send(command: ClientsCommand): void {
    this.#child.send(command);
  }
}

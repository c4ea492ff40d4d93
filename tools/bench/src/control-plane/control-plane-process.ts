/** The control plane of a run: the real program, told by its environment where everything is. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AmbitError, memoryEnvironment, nodeOptions } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { SYSTEM_NAMESPACE } from './mesh-objects.ts';

const PROGRAM = fileURLToPath(new URL('../../../../apps/control-plane/src/main.ts', import.meta.url));

/** A control plane that does not end within this time is killed, milliseconds. */
const STOP_MS = 10_000;

export interface ControlPlaneOptions {
  readonly kubeconfig: string;
  readonly port: number;
  readonly metricsPort: number;
  readonly httpPort: number;
  /** Arguments of Node, such as `--cpu-prof`. */
  readonly nodeArguments: readonly string[];
}

export class ControlPlaneProcess implements AsyncDisposable {
  readonly rootsPem: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, pid: number, folder: string, rootsPem: string) {
    this.#child = child;
    this.pid = pid;
    this.#folder = folder;
    this.rootsPem = rootsPem;
  }

  static start(options: ControlPlaneOptions): ControlPlaneProcess {
    const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-cp-'));
    const ca = makeTestCa();
    const leaf = ca.issue(undefined, { dnsNames: ['localhost'] });
    const file = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    mkdirSync(join(folder, 'state'));
    const output = openSync(join(folder, 'log'), 'w');
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', ...nodeOptions['control-plane'], ...options.nodeArguments, PROGRAM],
      {
        stdio: ['ignore', output, output],
        env: {
          PATH: '/usr/bin:/bin',
          // Images hold one compiled file; here at least later rounds are spared the stripping of types.
          NODE_COMPILE_CACHE: join(tmpdir(), 'ambit-bench-compile-cache'),
          ...memoryEnvironment,
          AMBIT_SOURCE: 'kubernetes',
          KUBECONFIG: options.kubeconfig,
          POD_NAMESPACE: SYSTEM_NAMESPACE,
          POD_NAME: 'control-plane-bench',
          AMBIT_GRPC_ADDRESS: `127.0.0.1:${options.port}`,
          AMBIT_HTTP_ADDRESS: '127.0.0.1',
          AMBIT_HTTP_PORT: String(options.httpPort),
          MONITORING_PORT: String(options.metricsPort),
          AMBIT_TLS_CERT_FILE: file('tls.crt', leaf.certificateChainPem),
          AMBIT_TLS_KEY_FILE: file('tls.key', leaf.privateKeyPem),
          AMBIT_SERVE_BROKEN: 'true',
          AMBIT_DRAIN: '100ms',
        },
      },
    );
    if (child.pid === undefined) throw new AmbitError('NO_PROCESS', 'the control plane could not be started');
    // An interrupted run does not come to its end.
    process.once('exit', () => child.kill('SIGKILL'));
    return new ControlPlaneProcess(child, child.pid, folder, ca.rootsPem);
  }

  /** Resolves when it serves xDS; rejects with the end of its log when it ended instead. */
  async ready(httpPort: number): Promise<void> {
    for (;;) {
      this.check();
      const isReady = await fetch(`http://127.0.0.1:${httpPort}/ready`).then(
        (response) => response.ok,
        () => false,
      );
      if (isReady) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Throws when it has ended, with the end of its log. */
  check(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return;
    const how = this.#child.signalCode ?? `code ${this.#child.exitCode}`;
    throw new AmbitError('ENDED', `the control plane ended (${how}): ${this.log().slice(-2_000)}`);
  }

  log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

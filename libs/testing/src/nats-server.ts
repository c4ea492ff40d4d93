import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from './eventually.ts';
import { freePorts } from './free-port.ts';

const binary = process.env['AMBIT_NATS_SERVER'] ?? 'nats-server';

/** Why there can be no NATS server here, or false. */
export function natsSkipReason(): string | false {
  if (spawnSync(binary, ['--version']).status === 0) return false;
  return 'no nats-server: set AMBIT_NATS_SERVER, or install the Debian package nats-server';
}

/**
 * A real NATS server with JetStream on loopback, which may be started and killed again and again: port and files stay until it
 * is disposed.
 */
export class NatsServer implements AsyncDisposable {
  readonly #port: number;
  readonly #monitorPort: number;
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'ambit-nats-'));
  #child: ChildProcess | undefined;

  private constructor(port: number, monitorPort: number) {
    this.#port = port;
    this.#monitorPort = monitorPort;
  }

  /** Nothing runs yet. */
  static async prepare(): Promise<NatsServer> {
    const [port = 0, monitorPort = 0] = await freePorts(2);
    return new NatsServer(port, monitorPort);
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Resolves when it listens. */
  async start(): Promise<this> {
    const ports = ['-p', String(this.#port), '-m', String(this.#monitorPort)];
    this.#child = spawn(binary, ['-a', '127.0.0.1', ...ports, '-js', '-sd', this.#folder], { stdio: 'ignore' });
    await eventually('the NATS server listens', () => listens(this.#port));
    return this;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Messages that a stream has, by the server's own monitoring; undefined while there is no such stream. */
  async messagesIn(stream: string): Promise<number | undefined> {
    const url = `http://127.0.0.1:${this.#monitorPort}/jsz?streams=true`;
    const text = await fetch(url).then((answer) => answer.text(), String);
    const found = new RegExp(`"name":\\s*"${stream}"[\\s\\S]*?"messages":\\s*(\\d+)`).exec(text);
    return found === null ? undefined : Number(found[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function listens(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1', () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

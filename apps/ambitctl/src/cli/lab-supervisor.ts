/** A lab in the background: one process that holds it, started by `lab up` and told to end by `lab down`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { delay, toAmbitError } from '@ambit/runtime';
import { LabError } from '../lab/lab-error.ts';
import type { LabDescription } from '../lab/lab-file.ts';
import { LabPaths } from '../lab/lab-names.ts';
import { isRunning, readRecord } from '../lab/lab-record.ts';
import { Lab } from '../lab/lab.ts';
import { findLeftovers, sweepLab } from '../lab/sweep.ts';
import type { Surroundings } from './surroundings.ts';

type Message =
  | { readonly kind: 'progress'; readonly line: string }
  | { readonly kind: 'up' }
  | { readonly kind: 'failed'; readonly message: string };

const STOP_DEADLINE_MS = 20_000;

export interface StartOptions {
  readonly surroundings: Surroundings;
  readonly file: string;
  readonly name: string;
  readonly stateRoot: string;
  readonly withMesh: boolean;
  /** Values of `--ztunnel`, handed on as they are. */
  readonly ztunnel: readonly string[];
}

/** Starts the supervisor and waits until its lab is up. @throws LabError with what went wrong. */
export async function startLab(
  { surroundings, file, name, stateRoot, withMesh, ztunnel }: StartOptions,
  onProgress: (line: string) => void,
): Promise<void> {
  mkdirSync(stateRoot, { recursive: true });
  const log = openSync(logFile(stateRoot, name), 'w', 0o600);
  const args = [
    surroundings.program,
    'lab',
    'supervise',
    '--file',
    file,
    '--name',
    name,
    '--state-dir',
    stateRoot,
    ...(withMesh ? [] : ['--no-mesh']),
    ...ztunnel.flatMap((value) => ['--ztunnel', value]),
  ];
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log, 'ipc'] });
  closeSync(log);
  // Ctrl-C while it comes up takes it down again.
  const interrupt = (): void => void child.kill('SIGTERM');
  process.once('SIGINT', interrupt);
  const outcome = await new Promise<Message>((resolve) => {
    child.on('message', (message) => {
      const received = readMessage(message);
      if (received?.kind === 'progress') onProgress(received.line);
      else if (received) resolve(received);
    });
    child.on('exit', (code) =>
      resolve({ kind: 'failed', message: `the supervisor ended with code ${code}; see ${logFile(stateRoot, name)}` }),
    );
  });
  process.removeListener('SIGINT', interrupt);
  if (child.connected) child.disconnect();
  child.unref();
  if (outcome.kind === 'failed') throw new LabError('NOT_READY', outcome.message);
}

/** Holds a lab until this process is told to end. */
export async function superviseLab(
  surroundings: Surroundings,
  description: LabDescription,
  stateRoot: string,
  withMesh: boolean,
): Promise<void> {
  const stopping = Promise.race(['SIGTERM', 'SIGINT'].map((signal) => once(process, signal)));
  const tell = (message: Message): void => void (process.connected && process.send?.(message));
  const lab = Lab.up({
    description,
    stateRoot,
    withMesh,
    searchPath: surroundings.searchPath,
    onProgress: (line) => tell({ kind: 'progress', line }),
    onProblem: (line) => process.stdout.write(`${line}\n`),
  });
  try {
    await Promise.race([lab.then(() => tell({ kind: 'up' })), stopping]);
    await stopping;
  } catch (cause) {
    tell({ kind: 'failed', message: toAmbitError(cause).message });
    process.exitCode = 1;
  }
  await lab.then(
    (running) => running.down(),
    () => {},
  );
}

/** Ends the supervisor if there is one and sweeps the rest. Returns what is left in spite of it. */
export async function stopLab(name: string, stateRoot: string): Promise<readonly string[]> {
  const paths = new LabPaths(stateRoot, name);
  if (isRunning(paths)) {
    const { pid } = readRecord(paths);
    process.kill(pid, 'SIGTERM');
    const signal = AbortSignal.timeout(STOP_DEADLINE_MS);
    while (isAlive(pid) && !signal.aborted) await delay(50, { signal }).catch(() => {});
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
  await sweepLab(name, paths.root);
  rmSync(logFile(stateRoot, name), { force: true });
  return findLeftovers(name, paths.root);
}

function logFile(stateRoot: string, name: string): string {
  return join(stateRoot, `${name}.log`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function readMessage(value: unknown): Message | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  if (value.kind === 'up') return { kind: 'up' };
  if (value.kind === 'progress' && 'line' in value) return { kind: 'progress', line: String(value.line) };
  if (value.kind === 'failed' && 'message' in value) return { kind: 'failed', message: String(value.message) };
  return undefined;
}

import { spawnSync } from 'node:child_process';
import { exitCodes } from '@ambit/runtime';

/** Runs a command on this terminal and takes over its exit code. */
export function runHere(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): void {
  const [program = '', ...args] = argv;
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...environment } });
  if (error !== undefined) throw error;
  process.exitCode = status ?? exitCodes.failed;
}

/** Child processes of the runner: output passed through, ended with the runner. */
import { spawn } from 'node:child_process';

/** What a child needs beside the runner's own environment. */
export interface ChildOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end and gives its exit code; 127 when it could not be started. */
export async function runChild(command: string, argv: readonly string[], options: ChildOptions): Promise<number> {
  const child = spawn(command, argv, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', pass).on('SIGTERM', pass);
  try {
    return await new Promise((resolve) => {
      child.on('error', () => resolve(127));
      child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
    });
  } finally {
    process.off('SIGINT', pass).off('SIGTERM', pass);
  }
}

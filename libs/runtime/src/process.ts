/**
 * The life of a process: configuration errors, signals, unhandled failures and exit codes, the same for every app.
 */
import { AmbitError, toAmbitError } from './ambit-error.ts';
import type { ConfigOf, ConfigTable } from './config.ts';
import { loadConfig, printConfig } from './config.ts';

/** Exit codes of all Ambit programs; the numbers from 64 up are sysexits', 79 is istioctl's. */
export const exitCodes = { ok: 0, failed: 1, usage: 64, badInput: 65, internal: 70, findings: 79 } as const;

export interface ProcessContext<T extends ConfigTable> {
  readonly config: ConfigOf<T>;
  /** Aborted by the first SIGTERM or SIGINT; start draining then. A second SIGINT exits at once. */
  readonly stopping: AbortSignal;
}

/**
 * Runs an app: reads its configuration, calls `main`, and ends the process with the right code.
 * `main` resolves when the app has drained after `stopping`.
 * `--print-config` prints value and origin of every setting and ends.
 */
export async function runProcess<T extends ConfigTable>(
  table: T,
  main: (context: ProcessContext<T>) => Promise<void>,
): Promise<never> {
  const stop = new AbortController();
  let config: ConfigOf<T>;
  try {
    const loaded = loadConfig(table, process.env);
    if (process.argv.includes('--print-config')) {
      process.stdout.write(printConfig(table, loaded));
      process.exit(exitCodes.ok);
    }
    config = loaded.config;
  } catch (cause) {
    process.stderr.write(`${toAmbitError(cause).message}\n`);
    process.exit(exitCodes.badInput);
  }
  let interrupts = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT') interrupts += 1;
    if (interrupts > 1) process.exit(exitCodes.failed);
    stop.abort(new AmbitError('STOPPING', `received ${signal}`));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('uncaughtException', (cause) => die(cause));
  process.on('unhandledRejection', (cause) => die(cause));
  try {
    await main({ config, stopping: stop.signal });
  } catch (cause) {
    die(cause);
  }
  process.exit(exitCodes.ok);
}

/** Last words on stderr, as a JSON line like the log's; the process state is unknown, so nothing is drained. */
function die(cause: unknown): never {
  const error = toAmbitError(cause);
  const line = {
    level: 'error',
    scope: 'process',
    message: 'process ends on an unexpected error',
    code: error.code,
    error: error.message,
    stack: error.stack,
  };
  process.stderr.write(`${JSON.stringify(line)}\n`);
  process.exit(exitCodes.internal);
}

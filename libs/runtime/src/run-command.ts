/**
 * Runs one program to its end with a deadline and bounded output: for the tools of the system (ip, nft, iptables)
 * that have no interface but their command line. No shell is involved.
 */
import { spawn } from 'node:child_process';
import { AmbitError } from './ambit-error.ts';

export interface RunCommandOptions {
  /** Written to the program's standard input, which is closed afterwards. */
  readonly stdin?: string;
  /** Added to this process' environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The program is killed after this time; default 30,000 ms. */
  readonly timeoutMs?: number;
  /** More output than this on either stream kills the program; default 16 MiB. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  /** Exit code; 128 + n when ended by signal n is not distinguished: -1 for any signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Resolves with the exit code whatever it is.
 * @throws AmbitError `COMMAND_NOT_STARTED` when the program cannot be executed, `COMMAND_TIMEOUT` when it had to be
 * killed for taking too long or printing too much.
 */
export function runCommand(argv: readonly string[], options: RunCommandOptions = {}): Promise<CommandResult> {
  const [program, ...args] = argv;
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  if (program === undefined) return Promise.reject(new AmbitError('COMMAND_NOT_STARTED', 'the command is empty'));
  const timeoutMs = options.timeoutMs ?? 30_000;
  const maxOutputBytes = options.maxOutputBytes ?? 16 * 1024 * 1024;
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    killSignal: 'SIGKILL',
  });
  child.on('error', (cause) => {
    reject(
      options.signal?.aborted
        ? options.signal.reason
        : new AmbitError('COMMAND_NOT_STARTED', `cannot run ${program}: ${cause.message}`, { cause, retryable: true }),
    );
  });
  // Without a free descriptor there are not even pipes to a program that could not be started.
  if (child.pid === undefined) return promise;
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let outputBytes = 0;
  let killedFor: string | undefined;
  const kill = (reason: string): void => {
    killedFor ??= reason;
    child.kill('SIGKILL');
  };
  const deadline = setTimeout(() => kill(`did not end within ${timeoutMs} ms`), timeoutMs);
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes > maxOutputBytes) kill(`printed more than ${maxOutputBytes} bytes`);
      else output[name].push(chunk);
    });
  }
  // A program that does not read its input closes the pipe early; its exit code tells the rest.
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  // Comes before `close` when the program was ended by the signal.
  child.on('error', () => clearTimeout(deadline));
  child.on('close', (code) => {
    clearTimeout(deadline);
    if (killedFor !== undefined)
      reject(new AmbitError('COMMAND_TIMEOUT', `${argv.join(' ')} ${killedFor}`, { retryable: true }));
    else
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(output.stdout).toString('utf8'),
        stderr: Buffer.concat(output.stderr).toString('utf8'),
      });
  });
  return promise;
}

/**
 * Like {@link runCommand}, for programs that must succeed; returns their standard output.
 * @throws AmbitError `COMMAND_FAILED` with the command, its code and its complaint.
 */
export async function mustRun(argv: readonly string[], options: RunCommandOptions = {}): Promise<string> {
  const result = await runCommand(argv, options);
  if (result.code !== 0) {
    const complaint = result.stderr.trim() || result.stdout.trim();
    throw new AmbitError('COMMAND_FAILED', `${argv.join(' ')} ended with code ${result.code}: ${complaint}`, {
      details: { code: result.code, stderr: complaint },
    });
  }
  return result.stdout;
}

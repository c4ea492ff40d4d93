/**
 * Cleans up after a lab whose holder died without a chance to do so. The guard is a process of its own that waits for
 * the end of its input: the holder's death closes it, whatever killed the holder.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { sweepLab } from './sweep.ts';

export interface LabGuardOptions {
  readonly lab: string;
  readonly stateRoot: string;
  /** `ambitctl`'s own entry. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}

const FAREWELL = 'done\n';

/** Held by whoever holds the lab; `release` once the lab has been taken down. */
export class LabGuard {
  readonly #child: ChildProcess;

  constructor({ lab, stateRoot, program, env }: LabGuardOptions) {
    const args = [program, 'lab', 'guard', '--name', lab, '--state-dir', stateRoot];
    // In a session of its own, so that Ctrl-C in the terminal does not reach it.
    this.#child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...env },
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', () => {});
    this.#child.unref();
  }

  /** Resolves when the guard has ended. */
  async release(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    // The holder must not run out of things to wait for, and end with this promise open.
    this.#child.ref();
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end(FAREWELL);
    await ended;
  }
}

/** The guard's process: waits for the end of `input` and sweeps unless the holder said that it has done so. */
export async function guardLab(lab: string, root: string, input: NodeJS.ReadableStream): Promise<void> {
  let received = '';
  input.setEncoding('utf8');
  for await (const chunk of input) received = `${received}${String(chunk)}`.slice(-FAREWELL.length);
  if (received !== FAREWELL) await sweepLab(lab, root);
}

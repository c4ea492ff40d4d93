import { AmbitError } from '@ambit/runtime';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs a benchmark. What it has put on the stack is taken down at its end, and at once when a signal comes before; then this
 * rejects with `INTERRUPTED` and the work behind it is left to fail. A second signal ends the process as usual.
 */
export async function interruptible(work: (stack: AsyncDisposableStack) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const stop = (): void => {
    for (const signal of SIGNALS) process.off(signal, stop);
    process.stdout.write('interrupted: what was set up is removed\n');
    reject(new AmbitError('INTERRUPTED', 'the benchmark was interrupted'));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    await Promise.race([work(stack), interrupted]);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

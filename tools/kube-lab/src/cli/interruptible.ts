/** What Ctrl-C does while something is being brought up: away with it. */
import { KubeLabError } from '../kube-lab-error.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Brings something up and releases it to whoever comes later. A signal in between gives it up at once, and again when
 * bringing it up has noticed; a second signal ends this process as usual.
 * @param giveUp removes what belongs to this process
 * @throws KubeLabError `INTERRUPTED`, and what `up` throws
 */
export async function bringUp<T extends { release(): void }>(
  up: () => Promise<T>,
  giveUp: () => Promise<void>,
): Promise<T> {
  let leaving: Promise<void> | undefined;
  const leave = (): void => {
    // What is just being started may stand in its way; the second time removes it.
    leaving ??= giveUp().catch(() => {});
    for (const signal of SIGNALS) process.off(signal, leave);
  };
  for (const signal of SIGNALS) process.on(signal, leave);
  const outcome = await up().then(
    (value) => ({ value }),
    (cause: unknown) => ({ cause }),
  );
  for (const signal of SIGNALS) process.off(signal, leave);
  if (leaving !== undefined) {
    await leaving;
    await giveUp();
    throw new KubeLabError('INTERRUPTED', 'interrupted; what was started is removed');
  }
  if ('cause' in outcome) throw outcome.cause;
  outcome.value.release();
  return outcome.value;
}

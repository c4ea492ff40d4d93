import { setTimeout as sleep } from 'node:timers/promises';

const intervalMs = 10;

/**
 * Asks until there is an answer, which is neither undefined nor false. An attempt that throws ends it.
 * @throws Error that names `what`, as it is then, after a time that is much for a busy machine
 */
export async function eventually<T>(
  what: string | (() => string),
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs: number = 120_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > endMs) {
      throw new Error(`not within ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(intervalMs);
  }
}

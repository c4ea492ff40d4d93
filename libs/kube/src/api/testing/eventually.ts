import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` holds; throws after `timeoutMs` with what `describe` says then. For tests only. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  describe: () => unknown = () => '',
  timeoutMs = 60_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) {
      throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}; ${JSON.stringify(describe())}`);
    }
    await sleep(5);
  }
}

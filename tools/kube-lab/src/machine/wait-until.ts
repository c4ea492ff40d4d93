/** Waits for a condition with a deadline. */
import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL_MS = 50;

/** @returns false when the condition did not hold within the time. */
export async function waitUntil(
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
  intervalMs: number = INTERVAL_MS,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() >= endMs) return false;
    await sleep(intervalMs);
  }
  return true;
}

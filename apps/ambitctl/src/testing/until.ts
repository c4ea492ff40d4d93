import { delay } from '@ambit/runtime';

/** Asks until there is an answer. Rejects with what was waited for. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  timeoutMs: number = 60_000,
): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs);
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    try {
      await delay(100, { signal });
    } catch (cause) {
      throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause });
    }
  }
}

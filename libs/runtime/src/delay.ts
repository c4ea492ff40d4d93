import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after `ms`; rejects with the signal's own reason when it is aborted first. */
export async function delay(ms: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  signal.throwIfAborted();
  try {
    await sleep(ms, undefined, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw cause;
  }
}

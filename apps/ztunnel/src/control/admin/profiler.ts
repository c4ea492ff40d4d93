/** CPU and heap profiles of this process through the inspector, in the formats that Chrome's and VS Code's tools open. */
import type { Session } from 'node:inspector/promises';
import { delay } from '@ambit/runtime';

/** A `.cpuprofile` of the control thread. One profile at a time is the caller's duty. */
export async function cpuProfile(
  seconds: number,
  hertz: number,
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  const session = await newSession();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: Math.round(1_000_000 / hertz) });
    await session.post('Profiler.start');
    await delay(seconds * 1_000, { signal });
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}

/** The inspector is loaded when it is used: a profile is taken once in a long while. */
async function newSession(): Promise<Session> {
  const { Session: InspectorSession } = await import('node:inspector/promises');
  return new InspectorSession();
}

/** A sampling heap profile (`.heapprofile`) of what is allocated while it is active. */
export class HeapProfiler {
  #session: Session | undefined;

  get isActive(): boolean {
    return this.#session !== undefined;
  }

  async activate(isWanted: boolean): Promise<void> {
    if (isWanted === this.isActive) return;
    if (!isWanted) {
      this.#session?.disconnect();
      this.#session = undefined;
      return;
    }
    const session = await newSession();
    session.connect();
    await session.post('HeapProfiler.enable');
    await session.post('HeapProfiler.startSampling');
    this.#session = session;
  }

  /** The profile so far, or undefined when it is not active. */
  async take(): Promise<string | undefined> {
    const result = await this.#session?.post('HeapProfiler.getSamplingProfile');
    return result && JSON.stringify(result.profile);
  }
}

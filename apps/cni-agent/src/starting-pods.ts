/** Brings a pod that the runtime is starting into the mesh, within the time that the plugin waits. */
import { AmbitError, Backoff, delay } from '@ambit/runtime';
import type { NewPod } from './cni-plugin-server.ts';
import type { EnrolmentController } from './enrolment/enrolment-controller.ts';

/** The plugin waits five seconds for its answer. */
const PLUGIN_DEADLINE_MS = 4_500;

/**
 * The pod itself may be on its way to us: looks for it until the plugin would give up.
 * @throws what the last attempt failed with
 */
export async function enrolStartingPod(
  pod: NewPod,
  controller: EnrolmentController,
  refresh: () => void,
): Promise<void> {
  const signal = AbortSignal.timeout(PLUGIN_DEADLINE_MS);
  const backoff = new Backoff({ initialMs: 10, maxMs: 200 });
  for (;;) {
    try {
      await controller.settle(pod.namespace, pod.name, pod.uid);
      return;
    } catch (cause) {
      if (!(cause instanceof AmbitError) || !cause.retryable) throw cause;
      await delay(backoff.nextMs(), { signal }).catch(() => {
        throw cause;
      });
      refresh();
    }
  }
}

/** Takes namespaces into the mesh and out of it, and waits until that is so. */
import type { ClaimContext } from '../claim.ts';
import { isEnrolled } from './pod-facts.ts';

/** Istio: `istio.io/dataplane-mode`. */
export const DATAPLANE_MODE = 'istio.io/dataplane-mode';

/** @returns milliseconds until every pod of the namespace was marked as captured */
export async function enrol({ objects }: ClaimContext, namespace: string): Promise<number> {
  const startMs = performance.now();
  await objects.label(namespace, DATAPLANE_MODE, 'ambient');
  let left: readonly string[] = [];
  await objects.until(
    () => `not in the mesh: ${left.join(', ')}`,
    async () => {
      const pods = (await objects.pods(namespace)).filter(
        ({ isHostNetwork, phase }) => !isHostNetwork && phase === 'Running',
      );
      left = pods.filter((pod) => !isEnrolled(pod)).map(({ name }) => name);
      return left.length === 0;
    },
    60,
  );
  return performance.now() - startMs;
}

export async function withdraw({ objects }: ClaimContext, namespace: string): Promise<void> {
  await objects.label(namespace, DATAPLANE_MODE, undefined);
  await objects.until(
    () => `pods of ${namespace} are still in the mesh`,
    async () => (await objects.pods(namespace)).every((pod) => !isEnrolled(pod)),
    60,
  );
}

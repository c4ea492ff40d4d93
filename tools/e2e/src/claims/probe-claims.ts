/** Group 3: the kubelet's probes work in the mesh, and still tell the truth. */
import type { ClaimGroup } from '../claim.ts';
import { DATAPLANE_MODE } from '../cluster/enrolment.ts';
import { isEnrolled } from '../cluster/pod-facts.ts';
import { strictPeers } from './policies.ts';

const NAMESPACE = 'e2e-probes';
const KINDS: readonly string[] = ['http', 'tcp', 'exec', 'grpc'];
/** Probes that fail would have killed their pods by then: they run each second and three failures suffice. */
const WATCH_SECONDS = 6;

export const probeClaims: ClaimGroup = {
  id: '3',
  title: 'Probes of all kinds pass in the mesh, under STRICT, and still tell the truth',
  timeoutMs: 240_000,
  async prove({ objects, report }) {
    try {
      await objects.addNamespace(NAMESPACE, 'probes.yaml', { [DATAPLANE_MODE]: 'ambient' });
      await objects.apply(NAMESPACE, strictPeers);
      await objects.untilReady(NAMESPACE);
      const since = performance.now();
      await objects.until(
        () => '',
        async () => performance.now() - since > WATCH_SECONDS * 1_000,
      );
      const pods = await objects.pods(NAMESPACE);
      for (const [index, kind] of KINDS.entries()) {
        const pod = pods.find(({ name }) => name === kind);
        report(
          `3.${index + 1}`,
          `a pod with ${kind} probes for startup, readiness and liveness is ready and stays so`,
          pod !== undefined && pod.isReady && pod.restarts === 0 && isEnrolled(pod),
          pod === undefined
            ? 'there is no such pod'
            : `${pod.isReady ? 'ready' : pod.state}, ${pod.restarts} restarts in ${WATCH_SECONDS} s, in the mesh: ${isEnrolled(pod)}`,
        );
      }
      for (const kind of ['http', 'exec']) await objects.exec(NAMESPACE, kind, ['touch', '/tmp/unready']);
      let states = '';
      let isNoticed = true;
      await objects
        .until(
          () => states,
          async () => {
            const now = await objects.pods(NAMESPACE);
            states = now.map(({ name, isReady }) => `${name} ${isReady ? 'ready' : 'not ready'}`).join(', ');
            return ['http', 'exec'].every((kind) => now.some(({ name, isReady }) => name === kind && !isReady));
          },
          20,
        )
        .catch(() => (isNoticed = false));
      report('3.5', 'a program that turns unready is seen to', isNoticed, states);
    } finally {
      await objects.deleteNamespace(NAMESPACE);
    }
  },
};

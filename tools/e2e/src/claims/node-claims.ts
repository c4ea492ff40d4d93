/** Group 8: a node loses power and comes back. */
import { setTimeout as pause } from 'node:timers/promises';
import { describePorts } from '@ambit/net';
import type { ClaimGroup } from '../claim.ts';
import { isEnrolled } from '../cluster/pod-facts.ts';
import { canCapture, captureRequest } from '../cluster/sites.ts';
import { describeLoad, isWithoutLoss, Load } from '../observe/load.ts';
import { CLIENT, FAR, SHOP } from './shop.ts';

export const nodeClaims: ClaimGroup = {
  id: '8',
  title: 'A node loses power and comes back',
  timeoutMs: 420_000,
  async prove(context) {
    const { cluster, objects, report, skip, nodes, narrate } = context;
    const text = 'the death of a node costs callers of the other one nothing';
    const { machines } = cluster;
    if (machines === undefined) return skip('8.1', text, 'only nodes of our own are killed');
    {
      await using load = await Load.start(objects, SHOP, CLIENT.pod, 'near');
      await load.look();
      await machines.killNode(2);
      narrate(`${nodes[1]} is dead`);
      await pause(8_000);
      const figures = await load.look();
      report('8.1', text, isWithoutLoss(figures), describeLoad(figures));
    }
    const startMs = performance.now();
    await machines.addNode(2);
    let state = '';
    await objects
      .until(
        () => state,
        async () => {
          const pods = (await objects.pods(SHOP)).filter(({ node }) => node === nodes[1]);
          state = pods
            .map(
              (pod) => `${pod.name} ${pod.isReady ? 'ready' : pod.state}${isEnrolled(pod) ? '' : ', not in the mesh'}`,
            )
            .join('; ');
          return pods.length > 0 && pods.every((pod) => pod.isReady && isEnrolled(pod));
        },
        180,
      )
      .catch(() => {});
    const back = ((performance.now() - startMs) / 1_000).toFixed(1);
    let answered = false;
    await objects
      .until(
        () => 'no answer',
        async () => {
          const { code } = await objects.ask(CLIENT.namespace, CLIENT.pod, FAR);
          answered = code === 0;
          return answered;
        },
        60,
      )
      .catch(() => {});
    report('8.2', 'after it has booted, its pods are in the mesh and answer', answered, `${back} s; ${state}`);
    if (!canCapture(context) || !answered) return;
    const summary = await captureRequest(context, 'link', CLIENT, FAR, 'secret-after-reboot');
    report(
      '8.3',
      'none of that is readable',
      !summary.contains('secret-after-reboot') && summary.bytesByPort.has(15_008),
      describePorts(summary),
    );
  },
};

/** Group 1: the chart installs, and changes nothing for those who did not ask for it. */
import { describePorts } from '@ambit/net';
import type { ClaimGroup } from '../claim.ts';
import { meshParts } from '../cluster/mesh.ts';
import { canCapture, captureRequest } from '../cluster/sites.ts';
import { CLIENT, FAR, PLAIN, SHOP } from './shop.ts';

export const installClaims: ClaimGroup = {
  id: '1',
  title: 'The chart installs, and changes nothing for who does not ask for it',
  timeoutMs: 600_000,
  async prove(context) {
    const { objects, mesh, nodes, report, skip } = context;
    await Promise.all([objects.addNamespace(SHOP, 'shop.yaml'), objects.addNamespace(PLAIN, 'plain.yaml')]);
    await Promise.all([objects.untilReady(SHOP), objects.untilReady(PLAIN)]);
    const before = await objects.pods(SHOP);

    const startMs = performance.now();
    await mesh.install();
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    const pods = await Promise.all(meshParts.map(async (part) => ({ part, pods: await mesh.pods(part) })));
    const all = pods.flatMap((one) => one.pods);
    report(
      '1.1',
      'helm install --wait ends with every part ready',
      pods.every((one) => one.pods.length > 0 && one.pods.every(({ isReady }) => isReady)),
      `${seconds} s; ${pods.map((one) => `${one.part} ${one.pods.filter(({ isReady }) => isReady).length}/${one.pods.length}`).join(', ')}; ${all.reduce((sum, { restarts }) => sum + restarts, 0)} restarts`,
    );
    const perNode = pods.filter(({ part }) => part === 'ztunnel' || part === 'cni-agent');
    report(
      '1.2',
      'each node has a proxy and an agent',
      perNode.every((one) => nodes.every((node) => one.pods.some((pod) => pod.node === node))),
      perNode
        .map(
          (one) =>
            `${one.part} on ${one.pods
              .map(({ node }) => node)
              .toSorted()
              .join(', ')}`,
        )
        .join('; '),
    );
    const text = 'pods that did not ask for the mesh go on in plaintext, without a restart';
    if (!canCapture(context)) return skip('1.3', text, 'captures need a lab of our own');
    const summary = await captureRequest(context, 'link', CLIENT, FAR, 'readable-before');
    const after = await objects.pods(SHOP);
    const isSame = before.every((pod) =>
      after.some(({ uid, restarts }) => uid === pod.uid && restarts === pod.restarts),
    );
    report(
      '1.3',
      text,
      summary.contains('readable-before') && isSame,
      `${describePorts(summary)}, the request can ${summary.contains('readable-before') ? '' : 'not '}be read; ${isSame ? 'no pod' : 'some pods'} restarted`,
    );
  },
};

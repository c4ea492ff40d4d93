/** Group 6: a network that lets only port 15008 through to pods. */
import { mustRun } from '@ambit/runtime';
import type { ClaimGroup } from '../claim.ts';
import { describeLoad, isWithoutLoss, Load } from '../observe/load.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { CLIENT, FAR, OUTSIDER, SHOP } from './shop.ts';

const TABLE = 'e2e-port-limit';

export const portClaims: ClaimGroup = {
  id: '6',
  title: 'Where the network lets only port 15008 into pods, as a NetworkPolicy would, the mesh goes on',
  timeoutMs: 120_000,
  async prove({ cluster, objects, report, skip }) {
    const text = 'with every other TCP port into the pods of a node closed, callers in the mesh are answered';
    const { machines } = cluster;
    if (machines === undefined) return skip('6.1', text, 'the rule is set on a node of our own');
    const node = 2;
    const closed = `
table inet ${TABLE} {
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "eth0" ip daddr 10.244.${node}.0/24 ct state new meta l4proto tcp tcp dport != 15008 reject with tcp reset
  }
}`;
    const nft = (args: readonly string[], stdin?: string): Promise<string> =>
      mustRun(machines.commandOnNode(node, ['nft', ...args]), stdin === undefined ? {} : { stdin });
    await nft(['-f', '-'], closed);
    try {
      const outside = await objects.ask(OUTSIDER.namespace, OUTSIDER.pod, FAR);
      await using load = await Load.start(objects, SHOP, CLIENT.pod, 'far');
      await pause(3_000);
      const figures = await load.look();
      report(
        '6.1',
        text,
        outside.code !== 0 && isWithoutLoss(figures),
        `outside the mesh: ${outside.stderr.trim().split('\n')[0] ?? 'answered'}; inside: ${describeLoad(figures)}`,
      );
    } finally {
      await nft(['delete', 'table', 'inet', TABLE]);
    }
  },
};

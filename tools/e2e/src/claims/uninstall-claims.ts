/** Group 9: the mesh leaves as it came. */
import { describePorts } from '@ambit/net';
import { runCommand, type CommandResult } from '@ambit/runtime';
import type { LabMachines } from '@ambit/kube-lab';
import type { ClaimGroup } from '../claim.ts';
import { canCapture, captureRequest } from '../cluster/sites.ts';
import { isEnrolled } from '../cluster/pod-facts.ts';
import { CLIENT, FAR, SHOP } from './shop.ts';

export const uninstallClaims: ClaimGroup = {
  id: '9',
  title: 'helm uninstall gives pods and nodes back as they were, without a restart',
  timeoutMs: 300_000,
  async prove(context) {
    const { cluster, objects, mesh, report, skip } = context;
    const before = await objects.pods(SHOP);
    const startMs = performance.now();
    await mesh.uninstall();
    const took = `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
    const after = await objects.pods(SHOP);
    const isSame = before.every((pod) =>
      after.some(({ uid, restarts }) => uid === pod.uid && restarts === pod.restarts),
    );
    const marked = after.filter(isEnrolled);
    report(
      '9.1',
      'the pods of the mesh go, all others stay',
      isSame && marked.length === 0,
      `${took}; ${after.length} pods, restarted: ${isSame ? 'none' : 'some'}, still marked: ${marked.length}`,
    );
    const text = 'pods talk in plaintext again';
    if (!canCapture(context)) return skip('9.2', text, 'captures need a lab of our own');
    const summary = await captureRequest(context, 'link', CLIENT, FAR, 'readable-again');
    report('9.2', text, summary.contains('readable-again'), describePorts(summary));
    const { machines } = cluster;
    if (machines === undefined) return;
    const leftovers = [...(await findLeftovers(machines, 1)), ...(await findLeftovers(machines, 2))];
    report(
      '9.3',
      'no rule is left in a pod, no plugin, configuration or socket on a node',
      leftovers.length === 0,
      leftovers.join('; ') || 'nothing found',
    );
    await objects.addNamespace('e2e-after', 'plain.yaml');
    try {
      const pods = await objects.untilReady('e2e-after', undefined, 60).catch(() => []);
      report('9.4', 'new pods start', pods.length === 1, `${pods.length} of 1`);
    } finally {
      await objects.deleteNamespace('e2e-after');
    }
  },
};

/** One shell for all: rules in every pod's network, and files where plugins live. */
const SEARCH = `
for pod in $(ip netns list | cut -d' ' -f1); do
  for list in 'iptables-save' 'ip6tables-save' 'nft list ruleset'; do
    count=$(ip netns exec "$pod" $list 2>/dev/null | grep -ciE 'istio|ambit|15001|15008')
    [ "$count" -eq 0 ] || echo "$count rules of '$list' in $pod"
  done
done
grep -liE 'ambit|istio' /etc/cni/net.d/* 2>/dev/null
ls /opt/cni/bin | grep -iE 'ambit|istio'
find /var/run/ztunnel /var/run/ambit* ! -type d 2>/dev/null
true
`;

async function findLeftovers(machines: LabMachines, node: number): Promise<readonly string[]> {
  const result: CommandResult = await runCommand(machines.commandOnNode(node, ['sh', '-c', SEARCH]));
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `node${node}: ${line}`);
}

/** Group 10: another cluster, with IPv6 beside IPv4 and kube-proxy by iptables. */
import { describePorts } from '@ambit/net';
import type { ClaimContext, ClaimGroup } from '../claim.ts';
import { DATAPLANE_MODE } from '../cluster/enrolment.ts';
import { captureWhile } from '../cluster/sites.ts';
import { isEnrolled } from '../cluster/pod-facts.ts';
import { CLIENT, SHOP } from './shop.ts';

export const dualClaims: ClaimGroup = {
  id: '10',
  title: 'On a cluster with IPv6 beside IPv4, and kube-proxy in its iptables mode',
  timeoutMs: 480_000,
  async prove(context) {
    const { cluster, objects, mesh, report } = context;
    await mesh.install();
    await objects.addNamespace(SHOP, 'shop.yaml', { [DATAPLANE_MODE]: 'ambient' });
    const dual = '{"spec":{"ipFamilyPolicy":"RequireDualStack"}}';
    await cluster.kubectl(['-n', SHOP, 'patch', 'service', 'far', '-p', dual]);
    const pods = await objects.untilReady(SHOP);
    report(
      '10.1',
      'the mesh installs, and pods that start in it are captured from the beginning',
      pods.every(isEnrolled),
      `${pods.filter(isEnrolled).length} of ${pods.length} pods`,
    );
    const addresses = await cluster.kubectl(['-n', SHOP, 'get', 'service', 'far', '-o', 'jsonpath={.spec.clusterIPs}']);
    const parsed: unknown = JSON.parse(addresses);
    const both = Array.isArray(parsed) ? parsed.map(String) : [];
    for (const [index, family] of (['IPv4', 'IPv6'] as const).entries())
      await proveFamily(context, `10.${index + 2}`, family, both);
  },
};

async function proveFamily(
  context: ClaimContext,
  id: string,
  family: 'IPv4' | 'IPv6',
  addresses: readonly string[],
): Promise<void> {
  const address = addresses.find((one) => one.includes(':') === (family === 'IPv6'));
  const text = `a Service's ${family} address is answered through the tunnel`;
  if (address === undefined) return context.report(id, text, false, `the Service has ${addresses.join(', ')}`);
  const host = family === 'IPv6' ? `[${address}]` : address;
  const mark = `secret-${family}`;
  let answer = { code: -1, stdout: '', stderr: '' };
  const summary = await captureWhile(context, 'link', CLIENT, async () => {
    answer = await context.objects.ask(CLIENT.namespace, CLIENT.pod, `http://${host}/${mark}`);
  });
  const isSecret = !summary.contains(mark) && summary.bytesByPort.has(15_008);
  context.report(
    id,
    text,
    answer.code === 0 && isSecret,
    `${address}: ${answer.code === 0 ? answer.stdout : answer.stderr.trim()}; ${describePorts(summary)}`,
  );
}

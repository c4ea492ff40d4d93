/**
 * The node's service addresses as one nftables transaction, for pods that the mesh does not capture. Pure.
 * A new connection to a service goes to a random endpoint; without any it is refused at once.
 */
import type { Pod, Service } from '@ambit/kube';
import { portEndpoints, servicePods } from './service-endpoints.ts';

export const SERVICE_TABLE = 'inet ambit-lab-services';

type Family = 'ip' | 'ip6';

export function renderServiceRules(services: readonly Service[], pods: readonly Pod[]): string {
  const table = SERVICE_TABLE;
  const lines = [
    `add table ${table}`,
    `add chain ${table} prerouting { type nat hook prerouting priority -100; policy accept; }`,
    `add chain ${table} output { type nat hook output priority -100; policy accept; }`,
    `add chain ${table} postrouting { type nat hook postrouting priority 90; policy accept; }`,
    `add chain ${table} forward { type filter hook forward priority 0; policy accept; }`,
    `add chain ${table} local { type filter hook output priority 0; policy accept; }`,
    `add chain ${table} services`,
    `add chain ${table} refused`,
    `flush table ${table}`,
    `add rule ${table} prerouting jump services`,
    `add rule ${table} output jump services`,
    `add rule ${table} forward jump refused`,
    `add rule ${table} local jump refused`,
  ];
  const looped = new Map<Family, Set<string>>([
    ['ip', new Set()],
    ['ip6', new Set()],
  ]);
  for (const service of services) {
    const behind = servicePods(service, pods);
    for (const vip of service.spec.clusterIPs.filter((address) => address !== 'None')) {
      for (const port of service.spec.ports) {
        if (port.protocol === 'SCTP') continue;
        const family: Family = vip.includes(':') ? 'ip6' : 'ip';
        const match = `${family} daddr ${vip} ${port.protocol.toLowerCase()} dport ${port.port}`;
        const targets = portEndpoints(port, behind).flatMap(({ addresses, targetPort }) =>
          addresses
            .filter((address) => address.includes(':') === vip.includes(':'))
            .map((address) => ({ address, targetPort })),
        );
        if (targets.length === 0)
          lines.push(`add rule ${table} refused ${match} reject${port.protocol === 'TCP' ? ' with tcp reset' : ''}`);
        else lines.push(`add rule ${table} services ${match} ${dnat(family, targets)}`);
        for (const { address } of targets) looped.get(family)?.add(address);
      }
    }
  }
  // A pod that reaches itself through a service must not see itself as the client's neighbour.
  for (const [family, addresses] of looped)
    for (const address of addresses)
      lines.push(`add rule ${table} postrouting ${family} saddr ${address} ${family} daddr ${address} masquerade`);
  return `${lines.join('\n')}\n`;
}

function dnat(family: Family, targets: readonly { readonly address: string; readonly targetPort: number }[]): string {
  const [first] = targets;
  if (targets.length === 1 && first)
    return `dnat ${family} to ${family === 'ip6' ? `[${first.address}]` : first.address}:${first.targetPort}`;
  const choices = targets.map(({ address, targetPort }, index) => `${index} : ${address} . ${targetPort}`).join(', ');
  return `dnat ${family} to numgen random mod ${targets.length} map { ${choices} }`;
}

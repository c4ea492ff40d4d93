/**
 * The upstream servers of the proxy's own resolv.conf. Search domains and options are not used: names are forwarded as asked.
 *
 * Istio: ztunnel forwards to the servers of its own resolv.conf, whatever the pod's says.
 */
import { isIP } from 'node:net';

/** Bound of the glibc resolver is 3; more are of no use to a query that waits five seconds. */
const MAX_SERVERS = 3;

/** Addresses in order of appearance; lines that hold no IP address are skipped. */
export function parseNameservers(resolvConf: string): readonly string[] {
  const servers: string[] = [];
  for (const line of resolvConf.split('\n')) {
    const [keyword, address] = line.trim().split(/\s+/, 2);
    // A zone suffix names an interface of this namespace, which does not exist in the pod's.
    if (keyword === 'nameserver' && address !== undefined && isIP(address) !== 0 && !address.includes('%'))
      servers.push(address);
  }
  return servers.slice(0, MAX_SERVERS);
}

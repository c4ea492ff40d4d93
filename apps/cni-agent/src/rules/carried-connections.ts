/**
 * How many of the application's connections ztunnel still carries in a pod. Tunnels do not count: they are kept open
 * for reuse and carry nothing by themselves.
 */
import { ZTUNNEL_MARK, ZTUNNEL_PORTS } from './capture-constants.ts';
import type { NamespacePlace, NamespaceShell } from './namespace-shell.ts';

/** Every state in which bytes may still move; time-wait and listening sockets are left out. */
const LIST: readonly string[] = ['ss', '-tnHe', 'state', 'connected', 'exclude', 'time-wait'];
const MARK_FIELD = `fwmark:0x${ZTUNNEL_MARK.toString(16)}`;

export async function carriedConnections(shell: NamespaceShell, place: NamespacePlace): Promise<number> {
  return countCarried(await shell.run(place, LIST));
}

/** Counts lines of `ss -tnHe`: state, two queues, local address, peer address, then details with the socket's mark. */
export function countCarried(listing: string): number {
  let count = 0;
  for (const line of listing.split('\n')) {
    if (!line.split(/\s+/).includes(MARK_FIELD)) continue;
    const [, , , local, peer] = line.trim().split(/\s+/);
    if (portOf(local) !== ZTUNNEL_PORTS.inboundHbone && portOf(peer) !== ZTUNNEL_PORTS.inboundHbone) count += 1;
  }
  return count;
}

function portOf(address: string | undefined): number {
  return Number(address?.slice(address.lastIndexOf(':') + 1));
}

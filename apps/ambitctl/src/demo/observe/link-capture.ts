import { PacketCapture } from '@ambit/net';
import { FABRIC } from '../../lab/lab-names.ts';
import type { Lab } from '../../lab/lab.ts';
import { fabricLinkName } from '../../lab/network.ts';

const TUNNEL_PORT = 15_008;

/** What travels over the link between the nodes: only traffic between pods, and the pods' tunnels, are looked at. */
export async function captureLink(lab: Lab): Promise<PacketCapture> {
  const [node] = lab.description.nodes;
  if (!node) throw new Error('a capture needs a node');
  return PacketCapture.start({
    spawn: (argv) => lab.spawnOn(FABRIC, argv),
    link: fabricLinkName(node),
    filter: 'tcp and (net 10.244.0.0/16 or net fd44::/32)',
    tlsPort: TUNNEL_PORT,
  });
}

/** Where claims look at bytes: the link between nodes, and the bridge inside of one. */
import type { ClaimContext } from '../claim.ts';
import type { Caller } from '../claims/shop.ts';
import { E2eError } from '../e2e-error.ts';
import { PacketCapture, type CaptureSummary } from '../observe/packet-capture.ts';

/**
 * Between pods of a lab, in both families. What a node itself says to its pods is not looked at: the kubelet probes in
 * plaintext, from the bridge's address, or from the link-local one that marks probes to pods in the mesh.
 */
const PODS: readonly string[] = ['10.244.0.0/16', 'fd00:244::/56'];
const BETWEEN_PODS: string = PODS.map((net) => `(src net ${net} and dst net ${net})`).join(' or ');
const POD_TRAFFIC: string = `tcp and (${BETWEEN_PODS}) and not host 10.244.1.1 and not host 10.244.2.1`;
/** The bridge of a node, which all traffic between its pods crosses. */
const BRIDGE = 'cni0';

export type Site = 'link' | 'bridge';

/** True for clusters whose machines are ours; captures need that. */
export function canCapture({ cluster }: ClaimContext): boolean {
  return cluster.machines !== undefined;
}

/** Captures between the nodes, or between the pods of the first one, while something is done. */
export async function captureWhile(
  { cluster }: ClaimContext,
  site: Site,
  action: () => Promise<void>,
): Promise<CaptureSummary> {
  const { machines } = cluster;
  if (machines === undefined) throw new E2eError('NOT_READY', 'a capture needs a lab of our own');
  const capture = await (site === 'link'
    ? PacketCapture.start((argv) => machines.commandInNetwork(argv), machines.linkOf(1), POD_TRAFFIC)
    : PacketCapture.start((argv) => machines.commandInNodeNetwork(1, argv), BRIDGE, POD_TRAFFIC));
  try {
    await action();
  } finally {
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return capture.stop();
}

/** Captures while a caller asks a service once, with a mark in the path of the request. */
export async function captureRequest(
  context: ClaimContext,
  site: Site,
  caller: Caller,
  url: string,
  mark: string,
): Promise<CaptureSummary> {
  return captureWhile(context, site, async () => {
    const { code, stderr } = await context.objects.ask(caller.namespace, caller.pod, `${url}/${mark}`);
    if (code !== 0) throw new E2eError('UNEXPECTED_ANSWER', `the request for ${mark} failed: ${stderr.trim()}`);
  });
}

/** Where claims look at bytes: the link between nodes, and the bridge inside of one. */
import { spawn } from 'node:child_process';
import { PacketCapture, type CaptureSummary } from '@ambit/net';
import type { ClaimContext } from '../claim.ts';
import type { Caller } from '../claims/shop.ts';
import { E2eError } from '../e2e-error.ts';

/** Pods of a lab, in both families: what goes to a node or to the API server is not looked at. */
const PODS: readonly string[] = ['10.244.0.0/16', 'fd00:244::/56'];
const BETWEEN_PODS: string = PODS.map((net) => `(src net ${net} and dst net ${net})`).join(' or ');
/** The bridge's address: the kubelet probes from there, in plaintext. */
const NOT_THE_NODE = 'not host 10.244.1.1 and not host 10.244.2.1';
/** The bridge of a node, which all traffic between its pods crosses. */
const BRIDGE = 'cni0';
const TUNNEL_PORT = 15_008;

export type Site = 'link' | 'bridge';

/** True for clusters whose machines are ours; captures need that. */
export function canCapture({ cluster }: ClaimContext): boolean {
  return cluster.machines !== undefined;
}

/** Captures what a caller says to other pods and hears from them, between the nodes or inside the first one. */
export async function captureWhile(
  { cluster, objects }: ClaimContext,
  site: Site,
  caller: Caller,
  action: () => Promise<void>,
): Promise<CaptureSummary> {
  const { machines } = cluster;
  if (machines === undefined) throw new E2eError('NOT_READY', 'a capture needs a lab of our own');
  const addresses = await objects.addressesOf(caller.namespace, caller.pod);
  const ofCaller = addresses.map((address) => `host ${address}`).join(' or ');
  const filter = `tcp and (${ofCaller}) and (${BETWEEN_PODS}) and ${NOT_THE_NODE}`;
  const capture = await PacketCapture.start({
    spawn: (argv) => {
      const command = site === 'link' ? machines.commandInNetwork(argv) : machines.commandInNodeNetwork(1, argv);
      const [program = '', ...args] = command;
      return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    },
    link: site === 'link' ? machines.linkOf(1) : BRIDGE,
    filter,
    tlsPort: TUNNEL_PORT,
  });
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
  return captureWhile(context, site, caller, async () => {
    const { code, stderr } = await context.objects.ask(caller.namespace, caller.pod, `${url}/${mark}`);
    if (code !== 0) throw new E2eError('UNEXPECTED_ANSWER', `the request for ${mark} failed: ${stderr.trim()}`);
  });
}

/** The network between nodes: a bridge in the control plane's namespace, and a route to every node's pods. */
import { mustRun } from '@ambit/runtime';
import { addNamespace, ipBatch, namespacePath } from '../machine/network-namespace.ts';
import { CONTROL_PLANE, LOAD_BALANCER_ADDRESSES, nodeAddresses, nodeNumbers } from './address-plan.ts';

const BRIDGE = 'kbr0';

export function controlPlaneNamespace(lab: string): string {
  return `${lab}-cp`;
}

export function nodeNamespace(lab: string, node: number): string {
  return `${lab}-n${node}`;
}

/** The end of a node's link where `tcpdump` sees what the node says to others. */
export function nodeLink(node: number): string {
  return `vn${node}`;
}

export async function makeControlPlaneNetwork(lab: string, isDual: boolean): Promise<void> {
  const namespace = controlPlaneNamespace(lab);
  await addNamespace(namespace);
  await setKernel(namespace, ['net.ipv4.ip_forward=1', ...(isDual ? ['net.ipv6.conf.all.forwarding=1'] : [])]);
  const routes = nodeNumbers.flatMap((node) => podRoutes(node, isDual));
  const ownV6 = isDual ? [`addr add ${CONTROL_PLANE.v6}/64 dev ${BRIDGE} nodad`] : [];
  const setup = [
    `link add ${BRIDGE} type bridge`,
    `addr add ${CONTROL_PLANE.v4}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
  ];
  // kube-proxy of any node would do.
  const balanced = `route add ${LOAD_BALANCER_ADDRESSES} via ${nodeAddresses(1).v4}`;
  await ipBatch(namespace, [...setup, ...ownV6, ...routes, balanced]);
}

export async function makeNodeNetwork(lab: string, node: number, isDual: boolean): Promise<void> {
  const namespace = nodeNamespace(lab, node);
  const fabric = controlPlaneNamespace(lab);
  const own = nodeAddresses(node);
  await addNamespace(namespace);
  await mustRun([
    'ip',
    'link',
    'add',
    nodeLink(node),
    'netns',
    fabric,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    namespace,
  ]);
  await ipBatch(fabric, [`link set ${nodeLink(node)} master ${BRIDGE} up`]);
  await ipBatch(namespace, [
    `addr add ${own.v4}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${CONTROL_PLANE.v4}`,
    ...(isDual ? [`addr add ${own.v6}/64 dev eth0 nodad`, `route add default via ${CONTROL_PLANE.v6}`] : []),
    ...nodeNumbers.filter((other) => other !== node).flatMap((other) => podRoutes(other, isDual)),
  ]);
}

function podRoutes(node: number, isDual: boolean): string[] {
  const { v4, v6, pods } = nodeAddresses(node);
  return [`route add ${pods.v4} via ${v4}`, ...(isDual ? [`route add ${pods.v6} via ${v6}`] : [])];
}

async function setKernel(namespace: string, settings: readonly string[]): Promise<void> {
  await mustRun(['nsenter', `--net=${namespacePath(namespace)}`, 'sysctl', '-qw', ...settings]);
}

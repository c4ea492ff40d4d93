/**
 * The lab's network: a fabric that routes between nodes, and nodes that route between their pods. Every machine and
 * every pod is a network namespace; links are veth pairs. Nothing touches the namespace this process runs in.
 */
import { existsSync } from 'node:fs';
import { mustRun } from '@ambit/runtime';
import { FABRIC_ADDRESS, linkAddresses, POD_GATEWAY, podNetworks, type DualAddress } from './address-plan.ts';
import type { LabNode } from './lab-file.ts';
import { FABRIC, machineNamespace, namespacePath, namespacePrefix, podLinkName, podNamespace } from './lab-names.ts';

/** A router that answers for its neighbours' addresses at once, without duplicate detection. */
const ROUTER_SETTINGS: readonly string[] = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv6.conf.all.accept_dad=0',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
];
/** The mesh's own ports must not be taken by a client's socket. */
const POD_SETTINGS: readonly string[] = [
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv6.conf.all.accept_dad=0',
  'net.ipv4.ip_local_port_range=20000 60999',
  'net.ipv4.ip_unprivileged_port_start=0',
];

/** The name of the fabric's end of a node's link: where `tcpdump` sees what travels between nodes. */
export function fabricLinkName(node: LabNode): string {
  return `to-${node.name}`.slice(0, 15);
}

export async function createFabric(lab: string): Promise<void> {
  const fabric = machineNamespace(lab, FABRIC);
  await addNamespace(fabric, ROUTER_SETTINGS);
  await ipBatch(fabric, [
    `address add ${FABRIC_ADDRESS.v4}/32 dev lo`,
    `-6 address add ${FABRIC_ADDRESS.v6}/128 dev lo`,
  ]);
}

export async function createNode(lab: string, node: LabNode): Promise<void> {
  const fabric = machineNamespace(lab, FABRIC);
  const machine = machineNamespace(lab, node.name);
  const link = fabricLinkName(node);
  const ends = linkAddresses(node.number);
  const pods = podNetworks(node.number);
  await addNamespace(machine, ROUTER_SETTINGS);
  await ipBatch(fabric, [
    `link add ${link} type veth peer name eth0 netns ${machine}`,
    `address add ${ends.fabric.v4}/24 dev ${link}`,
    `-6 address add ${ends.fabric.v6}/64 dev ${link} nodad`,
    `link set ${link} up`,
  ]);
  await ipBatch(machine, [
    `address add ${ends.node.v4}/24 dev eth0`,
    `-6 address add ${ends.node.v6}/64 dev eth0 nodad`,
    'link set eth0 up',
    `route add default via ${ends.fabric.v4}`,
    `-6 route add default via ${ends.fabric.v6}`,
  ]);
  await ipBatch(fabric, [`route add ${pods.v4} via ${ends.node.v4}`, `-6 route add ${pods.v6} via ${ends.node.v6}`]);
}

/** @returns path of the pod's network namespace. */
export async function createPodNetwork(
  lab: string,
  node: LabNode,
  namespace: string,
  pod: string,
  address: DualAddress,
): Promise<string> {
  const machine = machineNamespace(lab, node.name);
  const name = podNamespace(lab, namespace, pod);
  const link = podLinkName(namespace, pod);
  const own = linkAddresses(node.number).node;
  await addNamespace(name, POD_SETTINGS);
  await ipBatch(machine, [
    `link add ${link} type veth peer name eth0 netns ${name}`,
    `address add ${POD_GATEWAY.v4}/32 dev ${link}`,
    `-6 address add ${POD_GATEWAY.v6}/64 dev ${link} nodad`,
    `link set ${link} up`,
    // What the node itself sends to a pod comes from the node's address, not from the link's.
    `route add ${address.v4}/32 dev ${link} src ${own.v4}`,
    `-6 route add ${address.v6}/128 dev ${link} src ${own.v6}`,
  ]);
  await ipBatch(name, [
    `address add ${address.v4}/32 dev eth0`,
    `-6 address add ${address.v6}/128 dev eth0 nodad`,
    'link set eth0 up',
    `route add ${POD_GATEWAY.v4}/32 dev eth0 scope link`,
    `route add default via ${POD_GATEWAY.v4} dev eth0 onlink`,
    `-6 route add default via ${POD_GATEWAY.v6} dev eth0`,
  ]);
  return namespacePath(name);
}

/** Idempotent. Deleting a namespace takes its end of a link and thereby the other end. */
export async function deleteNamespace(name: string): Promise<void> {
  if (existsSync(namespacePath(name))) await mustRun(['ip', 'netns', 'delete', name]);
}

/** Every namespace of a lab that exists, pods first. */
export async function listNamespaces(lab: string): Promise<readonly string[]> {
  const listing = await mustRun(['ip', 'netns', 'list']);
  const names = listing
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(namespacePrefix(lab)));
  const isPod = (name: string): boolean => name.startsWith(`${namespacePrefix(lab)}pod-`);
  return names.toSorted((a, b) => Number(isPod(b)) - Number(isPod(a)));
}

async function addNamespace(name: string, settings: readonly string[]): Promise<void> {
  await mustRun(['ip', 'netns', 'add', name]);
  await mustRun(['nsenter', `--net=${namespacePath(name)}`, 'sysctl', '-qw', ...settings]);
  await ipBatch(name, ['link set lo up']);
}

async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  for (const flag of ['-4', '-6'] as const) {
    const own = commands
      .filter((command) => command.startsWith('-6 ') === (flag === '-6'))
      .map((command) => command.replace(/^-6 /, ''));
    if (own.length > 0) await mustRun(['ip', '-n', namespace, flag, '-batch', '-'], { stdin: `${own.join('\n')}\n` });
  }
}

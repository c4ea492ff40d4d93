/** Configuration files of a node. Pure. */
import { join } from 'node:path';
import { DNS_SERVICE, addressRanges, nodeAddresses } from './address-plan.ts';
import { imageNames } from '../build/base-images.ts';
import type { LabDescription } from './lab-description.ts';

export interface NodeFacts {
  readonly node: number;
  readonly disk: string;
  readonly certificates: string;
  readonly proxyKubeconfig: string;
  /** Name of the node's cgroup, in every hierarchy. */
  readonly cgroup: string;
  readonly hasSysResource: boolean;
  readonly lab: Pick<LabDescription, 'isDual' | 'proxyMode'>;
}

/**
 * Without CAP_SYS_RESOURCE nobody may lower an oom_score_adj: containerd must not ask for it. AppArmor's profiles
 * cannot be loaded in a node, and there is no systemd that could hold its cgroups.
 */
export function containerdConfig({ hasSysResource }: NodeFacts): string {
  return `version = 2
oom_score = 0
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imageNames.pause}"
  restrict_oom_score_adj = ${!hasSysResource}
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

/** A list that an agent of a mesh may chain its own plugin into. */
export function networkConfig({ node, lab }: NodeFacts): string {
  const { pods } = nodeAddresses(node);
  const ranges = [pods.v4, ...(lab.isDual ? [pods.v6] : [])].map((subnet) => [{ subnet }]);
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    ipMasq: false,
    // A pod may be its own Service's endpoint.
    hairpinMode: true,
    ipam: { type: 'host-local', dataDir: '/var/lib/cni/networks', ranges },
  };
  const plugins = [bridge, { type: 'portmap', capabilities: { portMappings: true } }];
  return JSON.stringify({ cniVersion: '1.0.0', name: 'kube-lab', plugins }, undefined, 2);
}

/**
 * - `failCgroupV1`: since 1.35 a kubelet refuses to start on cgroup version 1.
 * - `enforceNodeAllocatable`: limits on the node's own cgroup would need sizes that a node here does not have.
 * - `imageGCHighThresholdPercent`: an image that is removed cannot be pulled again.
 * - `KubeletInUserNamespace`: only under this gate does a kubelet without CAP_SYS_RESOURCE go on.
 * - `resolvConf`: CoreDNS would ask the machine's own resolver otherwise.
 * - `evictionHard`: all nodes look at the same disk and memory, which may be rather full.
 */
export function kubeletConfig(facts: NodeFacts): string {
  const pki = (name: string): string => join(facts.certificates, name);
  return asYaml({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki(`node${facts.node}.crt`),
    tlsPrivateKeyFile: pki(`node${facts.node}.key`),
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${facts.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    featureGates: { KubeletInUserNamespace: !facts.hasSysResource },
    clusterDomain: 'cluster.local',
    clusterDNS: [DNS_SERVICE],
    resolvConf: join(facts.disk, 'resolv.conf'),
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
      'imagefs.inodesFree': '1%',
    },
    imageGCHighThresholdPercent: 100,
    maxPods: 250,
    syncFrequency: '10s',
    fileCheckFrequency: '5s',
    nodeStatusUpdateFrequency: '5s',
  });
}

/** `maxPerCore`: the limit of tracked connections belongs to the machine's first network namespace. */
export function proxyConfig({ node, proxyKubeconfig, lab }: NodeFacts): string {
  const sync = { syncPeriod: '10s', minSyncPeriod: '0s' };
  return asYaml({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: proxyKubeconfig },
    mode: lab.proxyMode,
    clusterCIDR: addressRanges(lab.isDual).pods,
    hostnameOverride: `node${node}`,
    conntrack: { maxPerCore: 0 },
    nftables: sync,
    iptables: sync,
  });
}

/** JSON is YAML. */
function asYaml(value: unknown): string {
  return JSON.stringify(value, undefined, 2);
}

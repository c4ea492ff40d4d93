/** Settings of the node agent. Names known from Istio are kept; own ones begin with AMBIT_. */
import {
  durationMs,
  flag,
  integer,
  list,
  oneOf,
  optionalText,
  requiredText,
  text,
  type ConfigEntry,
} from '@ambit/runtime';
import { DEFAULT_PROBE_ADDRESSES } from './rules/capture-constants.ts';

const port = { min: 0, max: 65_535 };

/** What the agent is told at start; the table below has names, defaults and meanings. */
export interface AgentConfig {
  readonly source: 'folder' | 'kubernetes';
  readonly nodeName: string;
  readonly systemNamespace: string;
  readonly manifestDirs: readonly string[];
  readonly statusDir: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly serviceHost: string | undefined;
  readonly servicePort: string | undefined;
  readonly daemonSet: string;
  readonly nodeTaint: string;
  readonly hostRoot: string;
  readonly installsCni: boolean;
  readonly cniBinDir: string | undefined;
  readonly cniConfDir: string | undefined;
  readonly cniConfName: string;
  readonly zdsSocket: string;
  readonly runDir: string;
  readonly dnsCapture: boolean;
  readonly ipv6: boolean;
  readonly repairOnStart: boolean;
  readonly cleanUpOnExit: boolean;
  readonly nativeNftables: boolean;
  readonly forcedIptables: '' | 'nft' | 'legacy';
  readonly excludeNamespaces: readonly string[];
  readonly selectors: string | undefined;
  readonly probeV4: string;
  readonly probeV6: string;
  readonly kubeletUid: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly verifyIntervalMs: number;
  readonly proofIntervalMs: number;
  readonly proofsPerSecond: number;
  readonly proofHeartbeatMs: number;
  readonly releaseQuietMs: number;
  readonly releaseGraceMs: number;
  readonly bus: string | undefined;
  readonly logLevel: string;
}

/** See `--print-config` for the values in force. */
export const agentConfig: { readonly [K in keyof AgentConfig]: ConfigEntry<AgentConfig[K]> } = {
  source: oneOf(
    'AMBIT_SOURCE',
    ['folder', 'kubernetes'],
    'folder',
    'where pods are read from: folders of YAML, or the API server',
  ),
  nodeName: requiredText('NODE_NAME', 'name of the node whose pods are enrolled'),
  systemNamespace: text(
    'POD_NAMESPACE',
    'istio-system',
    'namespace of the agent; ztunnel pods in it are never enrolled',
  ),
  manifestDirs: list('AMBIT_MANIFEST_DIRS', [], 'folders of Kubernetes YAML to read pods and namespaces from'),
  statusDir: optionalText(
    'AMBIT_STATUS_DIR',
    'folder of machine-written pod status; the redirection annotation is written here (source folder)',
  ),
  kubeconfig: optionalText('KUBECONFIG', 'how to reach the API server from outside of a pod (source kubernetes)'),
  serviceHost: optionalText('KUBERNETES_SERVICE_HOST', 'API server, set by the kubelet in each pod'),
  servicePort: optionalText('KUBERNETES_SERVICE_PORT', 'its port'),
  daemonSet: text(
    'AMBIT_DAEMONSET',
    'ambit-cni-agent',
    'DaemonSet of the agent in its namespace; when it is gone at the end, the node is left as it was found',
  ),
  nodeTaint: text('AMBIT_NODE_TAINT', '', 'key of a taint to take off the node when the agent is ready; empty: none'),
  hostRoot: text(
    'AMBIT_HOST_ROOT',
    '',
    "where the node's /proc and /var/run/netns are mounted; empty when the agent runs on the node itself",
  ),
  installsCni: flag('AMBIT_INSTALL_CNI', false, 'install the CNI plugin on the node and keep it there'),
  cniBinDir: optionalText('AMBIT_CNI_BIN_DIR', "folder of the runtime's plugins; default opt/cni/bin of the host root"),
  cniConfDir: optionalText(
    'MOUNTED_CNI_NET_DIR',
    "folder of the runtime's network configuration; default etc/cni/net.d of the host root",
  ),
  cniConfName: text('CNI_CONF_NAME', '', 'network configuration to be part of; empty: the first one'),
  zdsSocket: text(
    'ZTUNNEL_UDS_ADDRESS',
    '/var/run/ztunnel/ztunnel.sock',
    'SEQPACKET socket on which ztunnel is served',
  ),
  runDir: text('CNI_AGENT_RUN_DIR', '/var/run/istio-cni', 'folder of the CNI plugin socket and of lock files'),
  dnsCapture: flag('AMBIENT_DNS_CAPTURE', true, 'capture DNS queries of pods that do not say otherwise'),
  ipv6: flag('AMBIENT_IPV6', true, 'program rules for IPv6 too'),
  repairOnStart: flag(
    'AMBIENT_RECONCILE_POD_RULES_ON_STARTUP',
    true,
    'compare the rules of enrolled pods at start and put back what differs',
  ),
  cleanUpOnExit: flag(
    'AMBIENT_DISABLE_SAFE_UPGRADE',
    false,
    'remove the rules of the node at exit, even when an upgrade may be the reason',
  ),
  nativeNftables: flag('NATIVE_NFTABLES', false, 'program nftables directly instead of through iptables'),
  forcedIptables: oneOf(
    'FORCE_IPTABLES_BINARY',
    ['', 'nft', 'legacy'],
    '',
    'iptables variant to use; empty detects the one in use on the node',
  ),
  excludeNamespaces: list('EXCLUDE_NAMESPACES', ['kube-system'], 'namespaces whose pods are never enrolled'),
  selectors: optionalText(
    'AMBIENT_ENABLEMENT_SELECTOR',
    'YAML list of pod and namespace selectors of which one must match',
  ),
  probeV4: text('HOST_PROBE_SNAT_IP', DEFAULT_PROBE_ADDRESSES.v4, 'source that stands for processes of the node'),
  probeV6: text('HOST_PROBE_SNAT_IPV6', DEFAULT_PROBE_ADDRESSES.v6, 'the same for IPv6'),
  kubeletUid: integer(
    'AMBIT_KUBELET_UID',
    0,
    { min: 0, max: 0xffff_fffe },
    'uid of the kubelet, by which native nftables mode tells its probes',
  ),
  healthPort: integer('AMBIT_HEALTH_PORT', 8000, port, 'port of /healthz and /readyz'),
  metricsPort: integer('MONITORING_PORT', 15_014, port, 'port of /metrics'),
  verifyIntervalMs: durationMs(
    'AMBIT_VERIFY_INTERVAL',
    10_000,
    'time between two looks at the rules of an enrolled pod',
  ),
  proofIntervalMs: durationMs(
    'AMBIT_PROOF_INTERVAL',
    5_000,
    'time between two proofs that a pod of the mesh is enforced',
  ),
  proofsPerSecond: integer(
    'AMBIT_PROOFS_PER_SECOND',
    30,
    { min: 1, max: 1_000 },
    'proofs of all pods together; with more pods the interval grows',
  ),
  proofHeartbeatMs: durationMs(
    'AMBIT_PROOF_HEARTBEAT',
    600_000,
    'time after which the condition of a pod is written again although nothing changed; 0s: never',
  ),
  releaseQuietMs: durationMs(
    'AMBIT_RELEASE_QUIET',
    10_000,
    'a pod that left the mesh must carry no connection for this long before its proxy stops; less loses names being asked',
  ),
  releaseGraceMs: durationMs(
    'AMBIT_RELEASE_GRACE',
    3_600_000,
    'connections that outlast this after their pod left the mesh are cut',
  ),
  bus: optionalText('AMBIT_BUS', 'address of the event bus: nats://host:port or unix:/path; none means no events'),
  logLevel: text('LOG_LEVEL', 'info', 'log level, with directives per scope'),
};

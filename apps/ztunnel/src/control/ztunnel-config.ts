/**
 * Settings of ztunnel: Istio's names and defaults, own ones beginning with `AMBIT_`.
 * Variables that belong to a family of names (`ISTIO_META_*`, `XDS_HEADER_*` ...) are read by `environment-families.ts`.
 * Spec: data-plane.md section 7.6.
 */
import {
  type ConfigEntry,
  durationMs,
  flag,
  integer,
  oneOf,
  optionalDurationMs,
  optionalFlag,
  optionalText,
  text,
} from '@ambit/runtime';

const port = { min: 0, max: 65_535 };
const positive = { min: 1, max: 0x7fff_ffff };
const UNSET = -1;
const orUnset = { min: UNSET, max: 0x7fff_ffff };

/** What the process is told at start; the table below has names, defaults and meanings. -1 stands for "not set". */
export interface ZtunnelConfig {
  readonly mode: 'shared' | 'dedicated';
  readonly workloadInfo: string | undefined;
  readonly isProxyEnabled: boolean;
  readonly nodeName: string;
  readonly network: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly kubernetesHost: string | undefined;
  readonly xdsAddress: string | undefined;
  readonly caAddress: string | undefined;
  readonly xdsRoot: string;
  readonly caRoot: string;
  readonly altXdsHostname: string | undefined;
  readonly altCaHostname: string | undefined;
  readonly authToken: string | undefined;
  readonly isOnDemand: boolean;
  readonly localXdsPath: string | undefined;
  readonly localXds: string | undefined;
  readonly secretTtlMs: number;
  readonly crlPath: string | undefined;
  readonly agentSocket: string;
  readonly agentGraceMs: number;
  readonly dnsLingerMs: number;
  readonly reusePort: boolean;
  readonly packetMark: number;
  readonly originalSource: boolean | undefined;
  readonly isIpv6Enabled: boolean;
  readonly keepaliveMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveRetries: number;
  readonly isKeepaliveEnabled: boolean;
  readonly isUserTimeoutEnabled: boolean;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly frameBytes: number;
  readonly poolMaxStreams: number;
  readonly poolReleaseMs: number;
  readonly terminationDeadlineMs: number | undefined;
  readonly terminationGraceSec: number;
  readonly workerThreads: string;
  readonly isSocks5Enabled: boolean;
  readonly preferredServiceNamespace: string | undefined;
  readonly isLocalhostAppTunnelEnabled: boolean;
  readonly isBaggageEnabled: boolean;
  readonly isAuthzInfoEnabled: boolean;
  readonly isDnsCaptured: boolean;
  readonly logLevels: string;
  readonly logFormat: 'text' | 'json';
  readonly istioVersion: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly serviceAccount: string;
  readonly instanceIp: string;
  readonly adminAddress: string;
  readonly statsAddress: string;
  readonly readinessAddress: string;
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly hbonePort: number;
  readonly dnsPort: number;
  readonly socks5Port: number;
  readonly resolvConf: string;
  readonly missingPolicy: 'hold' | 'ignore';
  readonly missingPolicyWaitMs: number;
  readonly sendsEarly: boolean;
  readonly flowSampleRate: number;
  readonly bus: string | undefined;
  readonly busToken: string | undefined;
}

/** See `--print-config` for the values in force. */
export const ztunnelConfig: { readonly [K in keyof ZtunnelConfig]: ConfigEntry<ZtunnelConfig[K]> } = {
  mode: oneOf(
    'PROXY_MODE',
    ['shared', 'dedicated'],
    'shared',
    'all pods of a node (from ZDS), or one workload in the own namespace',
  ),
  workloadInfo: optionalText('PROXY_WORKLOAD_INFO', 'dedicated mode: namespace/name/service-account of the workload'),
  isProxyEnabled: flag('ENABLE_PROXY', true, 'false serves DNS only'),
  nodeName: text('NODE_NAME', '', 'local node; required in shared mode'),
  network: text('NETWORK', '', 'own network'),
  clusterId: text(
    ['ISTIO_META_CLUSTER_ID', 'CLUSTER_ID'],
    'Kubernetes',
    'cluster of this node, also sent as clusterid header',
  ),
  clusterDomain: text('CLUSTER_DOMAIN', 'cluster.local', 'domain of Kubernetes service names'),
  kubernetesHost: optionalText('KUBERNETES_SERVICE_HOST', 'set inside a cluster; decides the default of the next two'),
  xdsAddress: optionalText('XDS_ADDRESS', 'control plane, https://host:port; empty turns the client off'),
  caAddress: optionalText('CA_ADDRESS', 'certificate authority, https://host:port; empty turns the client off'),
  xdsRoot: text(
    'XDS_ROOT_CA',
    './var/run/secrets/istio/root-cert.pem',
    'trust roots of the control plane: file, PEM or SYSTEM',
  ),
  caRoot: text('CA_ROOT_CA', './var/run/secrets/istio/root-cert.pem', 'trust roots of the CA: file, PEM or SYSTEM'),
  altXdsHostname: optionalText('ALT_XDS_HOSTNAME', 'second name the control plane may prove'),
  altCaHostname: optionalText('ALT_CA_HOSTNAME', 'second name the CA may prove'),
  authToken: optionalText('AUTH_TOKEN', 'token file (read again for each call) or literal token', { secret: true }),
  isOnDemand: flag('XDS_ON_DEMAND', false, 'ask for addresses when they are needed; excludes the DNS proxy'),
  localXdsPath: optionalText('LOCAL_XDS_PATH', 'YAML file of workloads, services and policies'),
  localXds: optionalText('LOCAL_XDS', 'the same as text; only one of the two'),
  secretTtlMs: durationMs('SECRET_TTL', 86_400_000, 'lifetime asked for of workload certificates'),
  crlPath: optionalText('CRL_PATH', 'file of certificate revocation lists; read again when it changes'),
  agentSocket: text('INPOD_UDS', '/var/run/ztunnel/ztunnel.sock', 'socket of the node agent'),
  agentGraceMs: durationMs(
    'AMBIT_AGENT_GRACE',
    30_000,
    'how long ztunnel stays ready without the node agent, which may be on its way back from an upgrade',
  ),
  dnsLingerMs: durationMs('AMBIT_DNS_LINGER', 10_000, 'how long names are answered in a pod that left the mesh'),
  reusePort: flag('INPOD_PORT_REUSE', true, 'SO_REUSEPORT on listeners, needed for upgrades without a gap'),
  packetMark: integer(
    'PACKET_MARK',
    UNSET,
    orUnset,
    'mark of own packets; default 1337 in shared mode, none in dedicated',
  ),
  originalSource: optionalFlag('ENABLE_ORIG_SRC', 'keep the source address: unset tries, true requires, false never'),
  isIpv6Enabled: flag('IPV6_ENABLED', true, 'listen on and answer with IPv6'),
  keepaliveMs: durationMs('KEEPALIVE_TIME', 180_000, 'TCP keepalive: idle time'),
  keepaliveIntervalMs: durationMs('KEEPALIVE_INTERVAL', 180_000, 'TCP keepalive: between probes'),
  keepaliveRetries: integer('KEEPALIVE_RETRIES', 9, positive, 'TCP keepalive: probes'),
  isKeepaliveEnabled: flag('KEEPALIVE_ENABLED', true, 'TCP keepalive'),
  isUserTimeoutEnabled: flag('USER_TIMEOUT_ENABLED', false, 'TCP_USER_TIMEOUT of time + interval x retries'),
  streamWindowBytes: integer('HTTP2_STREAM_WINDOW_SIZE', 4 * 1024 * 1024, positive, 'HTTP/2 window of a stream'),
  connectionWindowBytes: integer(
    'HTTP2_CONNECTION_WINDOW_SIZE',
    16 * 1024 * 1024,
    positive,
    'HTTP/2 window of a connection',
  ),
  frameBytes: integer('HTTP2_FRAME_SIZE', 1024 * 1024, { min: 16_384, max: 16_777_215 }, 'largest HTTP/2 frame'),
  poolMaxStreams: integer('POOL_MAX_STREAMS_PER_CONNECTION', 100, positive, 'streams on one tunnel'),
  poolReleaseMs: durationMs('POOL_UNUSED_RELEASE_TIMEOUT', 300_000, 'an unused tunnel is closed after this'),
  terminationDeadlineMs: optionalDurationMs(
    'CONNECTION_TERMINATION_DEADLINE',
    'how long a drain waits for connections',
  ),
  terminationGraceSec: integer(
    'TERMINATION_GRACE_PERIOD_SECONDS',
    UNSET,
    orUnset,
    'pod grace period; the drain deadline follows from it',
  ),
  workerThreads: text('ZTUNNEL_WORKER_THREADS', 'auto', 'data workers: auto, a number, n% of the cores, or 0 for all'),
  isSocks5Enabled: flag('UNSTABLE_ENABLE_SOCKS5', false, 'SOCKS5 listener on loopback'),
  preferredServiceNamespace: optionalText(
    'PREFERED_SERVICE_NAMESPACE',
    'namespace whose services win when nothing better decides',
  ),
  isLocalhostAppTunnelEnabled: flag('LOCALHOST_APP_TUNNEL', true, 'application tunnels connect to loopback'),
  isBaggageEnabled: flag('ENABLE_RESPONSE_BAGGAGE', true, 'workload hints in baggage headers, both ways'),
  isAuthzInfoEnabled: flag('AUTHZ_POLICY_INFO_LOGGING', false, 'log policy decisions at info'),
  isDnsCaptured: flag('ISTIO_META_DNS_CAPTURE', true, 'serve DNS in pods'),
  logLevels: text('RUST_LOG', 'info', 'log levels: info, or scope=debug,info'),
  logFormat: oneOf('LOG_FORMAT', ['text', 'json'], 'text', 'log format'),
  istioVersion: text('ISTIO_META_ISTIO_VERSION', 'unknown', 'version shown by istio_build and the dump'),
  podName: text('POD_NAME', '', 'own pod'),
  podNamespace: text('POD_NAMESPACE', '', 'own namespace'),
  serviceAccount: text('SERVICE_ACCOUNT', '', 'own service account'),
  instanceIp: text('INSTANCE_IP', '', 'own address, for the xDS node id'),
  adminAddress: text('AMBIT_ADMIN_ADDRESS', 'localhost:15000', 'admin interface; loopback only'),
  statsAddress: text('AMBIT_STATS_ADDRESS', '*:15020', 'metrics; * is every address'),
  readinessAddress: text('AMBIT_READINESS_ADDRESS', '*:15021', 'readiness; * is every address'),
  outboundPort: integer('AMBIT_OUTBOUND_PORT', 15_001, port, 'outbound capture, for tests'),
  inboundPort: integer('AMBIT_INBOUND_PORT', 15_006, port, 'inbound plaintext capture, for tests'),
  hbonePort: integer('AMBIT_HBONE_PORT', 15_008, port, 'inbound HBONE, for tests'),
  dnsPort: integer('AMBIT_DNS_PORT', 15_053, port, 'DNS proxy, for tests'),
  socks5Port: integer('AMBIT_SOCKS5_PORT', 15_080, port, 'SOCKS5, for tests'),
  resolvConf: text('AMBIT_RESOLV_CONF', '/etc/resolv.conf', 'names the servers that other names are forwarded to'),
  missingPolicy: oneOf(
    'AMBIT_MISSING_POLICY',
    ['hold', 'ignore'],
    'hold',
    'a policy that a workload names is not here: hold, then refuse; or ignore as Istio does',
  ),
  missingPolicyWaitMs: durationMs('AMBIT_MISSING_POLICY_WAIT', 2_000, 'how long to hold'),
  sendsEarly: flag('AMBIT_SEND_EARLY', false, 'send the first bytes with the CONNECT instead of after its answer'),
  flowSampleRate: integer(
    'AMBIT_FLOW_SAMPLE_RATE',
    100,
    { min: 0, max: 1_000_000 },
    'one of this many connections becomes a flow event; 0 none',
  ),
  bus: optionalText('AMBIT_BUS', 'event bus: unix:<path> or nats://host:port,...; unset keeps events in the process'),
  busToken: optionalText('AMBIT_BUS_TOKEN', 'event bus: NATS token', { secret: true }),
};

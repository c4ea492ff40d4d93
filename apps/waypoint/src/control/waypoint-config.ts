/**
 * Settings of an L7 proxy: names and defaults of Istio's ztunnel where both have them, own ones beginning with `AMBIT_`.
 * The pod of a Gateway sets them (`apps/control-plane/src/gateways`).
 */
import {
  type ConfigEntry,
  durationMs,
  flag,
  integer,
  oneOf,
  optionalDurationMs,
  optionalText,
  requiredText,
  text,
} from '@ambit/runtime';

const port = { min: 0, max: 65_535 };
const positive = { min: 1, max: 0x7fff_ffff };

/** What the process is told at start; the table below has names, defaults and meanings. */
export interface WaypointConfig {
  readonly gateway: string;
  readonly role: 'waypoint' | 'gateway';
  readonly podName: string;
  readonly podNamespace: string;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly instanceIp: string;
  readonly network: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly xdsAddress: string;
  readonly caAddress: string;
  readonly xdsRoot: string;
  readonly caRoot: string;
  readonly altXdsHostname: string | undefined;
  readonly altCaHostname: string | undefined;
  readonly authToken: string | undefined;
  readonly secretTtlMs: number;
  readonly crlPath: string | undefined;
  readonly workerThreads: number;
  readonly drainMs: number;
  readonly exitsOnZeroConnections: boolean;
  readonly minimumDrainMs: number;
  readonly terminationDeadlineMs: number | undefined;
  readonly isIpv6Enabled: boolean;
  readonly logLevels: string;
  readonly logFormat: 'text' | 'json';
  readonly istioVersion: string;
  readonly adminAddress: string;
  readonly statsAddress: string;
  readonly readinessAddress: string;
  readonly listenAddress: string | undefined;
  readonly hbonePort: number;
  readonly peerHbonePort: number;
}

/** See `--print-config` for the values in force. */
export const waypointConfig: { readonly [K in keyof WaypointConfig]: ConfigEntry<WaypointConfig[K]> } = {
  gateway: requiredText('AMBIT_GATEWAY', 'name of the Gateway, in the own namespace'),
  role: oneOf('AMBIT_PROXY_ROLE', ['waypoint', 'gateway'], 'waypoint', 'what the Gateway is'),
  podName: requiredText('POD_NAME', 'own pod'),
  podNamespace: requiredText('POD_NAMESPACE', 'own namespace'),
  serviceAccount: requiredText('SERVICE_ACCOUNT', 'own service account, which is the identity'),
  nodeName: text('NODE_NAME', '', 'own node; endpoints that are preferred by place are compared with it'),
  instanceIp: text('INSTANCE_IP', '', 'own address; unset: the first IPv4 address of the network namespace'),
  network: text('NETWORK', '', 'own network'),
  clusterId: text(['ISTIO_META_CLUSTER_ID', 'CLUSTER_ID'], 'Kubernetes', 'own cluster, also sent as clusterid header'),
  clusterDomain: text('CLUSTER_DOMAIN', 'cluster.local', 'domain of Kubernetes service names'),
  trustDomain: text('TRUST_DOMAIN', 'cluster.local', 'trust domain of the own identity'),
  xdsAddress: requiredText('XDS_ADDRESS', 'control plane, https://host:port'),
  caAddress: text(['CA_ADDRESS', 'CA_ADDR'], '', 'certificate authority, https://host:port; empty: the control plane'),
  xdsRoot: text(
    'XDS_ROOT_CA',
    '/var/run/secrets/istio/root-cert.pem',
    'trust roots of the control plane: file, PEM or SYSTEM',
  ),
  caRoot: text('CA_ROOT_CA', '/var/run/secrets/istio/root-cert.pem', 'trust roots of the CA: file, PEM or SYSTEM'),
  altXdsHostname: optionalText('ALT_XDS_HOSTNAME', 'second name the control plane may prove'),
  altCaHostname: optionalText('ALT_CA_HOSTNAME', 'second name the CA may prove'),
  authToken: optionalText('AUTH_TOKEN', 'token file (read again for each call) or literal token; empty: none', {
    secret: true,
  }),
  secretTtlMs: durationMs('SECRET_TTL', 86_400_000, 'lifetime asked for of the certificate'),
  crlPath: optionalText('CRL_PATH', 'file of certificate revocation lists; read again when it changes'),
  workerThreads: integer('AMBIT_WORKER_THREADS', 1, { min: 1, max: 64 }, 'data workers'),
  drainMs: durationMs('TERMINATION_DRAIN_DURATION', 5_000, 'how long a shutdown waits for running requests'),
  exitsOnZeroConnections: flag(
    'EXIT_ON_ZERO_ACTIVE_CONNECTIONS',
    false,
    'a shutdown waits until no connection is left instead',
  ),
  minimumDrainMs: durationMs('MINIMUM_DRAIN_DURATION', 5_000, 'with the former: but at least this long'),
  terminationDeadlineMs: optionalDurationMs('CONNECTION_TERMINATION_DEADLINE', 'latest end of a shutdown'),
  isIpv6Enabled: flag('IPV6_ENABLED', true, 'listen on IPv6'),
  logLevels: text('RUST_LOG', 'info', 'log levels: info, or scope=debug,info'),
  logFormat: oneOf('LOG_FORMAT', ['text', 'json'], 'text', 'format of the process log'),
  istioVersion: text('ISTIO_META_ISTIO_VERSION', 'unknown', 'version shown by istio_build'),
  adminAddress: text('AMBIT_ADMIN_ADDRESS', 'localhost:15000', 'admin interface; loopback only'),
  statsAddress: text('AMBIT_STATS_ADDRESS', '*:15020', 'metrics; * is every address'),
  readinessAddress: text('AMBIT_READINESS_ADDRESS', '*:15021', 'readiness; * is every address'),
  listenAddress: optionalText('AMBIT_LISTEN_ADDRESS', 'address of the data listeners; unset: every address'),
  hbonePort: integer('AMBIT_HBONE_PORT', 15_008, port, 'inbound HBONE, for tests'),
  peerHbonePort: integer('AMBIT_PEER_HBONE_PORT', 15_008, positive, 'HBONE port of endpoints, for tests'),
};

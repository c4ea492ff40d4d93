/** Settings of the CA. Names known from Istio are kept; own ones begin with AMBIT_. */
import {
  type ConfigEntry,
  durationMs,
  integer,
  list,
  type ListenAddress,
  listenAddress,
  oneOf,
  optionalText,
  parsed,
  text,
} from '@ambit/runtime';

import { type IssuerReference, parseIssuerReference } from './upstream/issuer-reference.ts';

/** What the CA is told at start; the table below has names, defaults and meanings. */
export interface CaConfig {
  readonly grpc: ListenAddress;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly serverNames: readonly string[];
  readonly servingNames: readonly string[];
  readonly trustDomain: string;
  readonly clusterId: string;
  readonly trustedNodeAccounts: readonly string[];
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
  readonly source: 'files' | 'kubernetes';
  readonly kubeconfig: string | undefined;
  readonly kubernetesHost: string | undefined;
  readonly kubernetesPort: string | undefined;
  readonly podNamespace: string | undefined;
  readonly podName: string | undefined;
  readonly upstream: IssuerReference | undefined;
  readonly upstreamTtlMs: number;
  readonly upstreamTimeoutMs: number;
  readonly namespaceSelector: string | undefined;
  readonly rotationStepMs: number;
  readonly keyPollMs: number;
  readonly keyDirectory: string | undefined;
  readonly stateDirectory: string | undefined;
  readonly jwksFile: string | undefined;
  readonly tokenIssuer: string | undefined;
  readonly audiences: readonly string[];
  readonly assignmentsFile: string | undefined;
  readonly bus: string | undefined;
  readonly drainMs: number;
  readonly logFormat: 'json' | 'text';
  readonly logLevel: string;
}

/** See `--print-config` for the values in force. */
export const caConfig: { readonly [K in keyof CaConfig]: ConfigEntry<CaConfig[K]> } = {
  grpc: listenAddress(
    'AMBIT_GRPC_ADDRESS',
    { address: '0.0.0.0', port: 15_013 },
    'address and port of the CA service (TLS)',
  ),
  httpAddress: text('AMBIT_HTTP_ADDRESS', '0.0.0.0', 'address of the HTTP port'),
  httpPort: integer('AMBIT_HTTP_PORT', 15_015, { min: 0, max: 65_535 }, 'HTTP port: /ready, /metrics, /audit'),
  serverNames: list(
    'AMBIT_CA_SERVER_NAMES',
    ['localhost', '127.0.0.1', '::1', 'istiod.istio-system.svc'],
    "DNS names and IP addresses of the CA's own certificate, beside the address it listens on",
  ),
  servingNames: list(
    'AMBIT_CA_SERVING_NAMES',
    [],
    'names that service accounts get in their own certificate: namespace/account=name+name',
  ),
  trustDomain: text('TRUST_DOMAIN', 'cluster.local', 'trust domain of the mesh'),
  clusterId: text('CLUSTER_ID', 'Kubernetes', 'cluster whose tokens are accepted'),
  trustedNodeAccounts: list(
    'CA_TRUSTED_NODE_ACCOUNTS',
    ['istio-system/ztunnel'],
    'namespace/account of node proxies that may ask for the workloads of their node',
  ),
  defaultTtlMs: durationMs('DEFAULT_WORKLOAD_CERT_TTL', 24 * 3_600_000, 'lifetime when none is asked for'),
  maxTtlMs: durationMs('MAX_WORKLOAD_CERT_TTL', 90 * 86_400_000, 'longest lifetime; more is an error'),
  source: oneOf(
    ['AMBIT_CA_SOURCE', 'AMBIT_SOURCE'],
    ['files', 'kubernetes'],
    'files',
    'where keys, tokens and pods are known from: files named below, or the API server of the cluster',
  ),
  kubeconfig: optionalText('KUBECONFIG', 'kubeconfig file; unset: the service account of the pod'),
  kubernetesHost: optionalText('KUBERNETES_SERVICE_HOST', 'API server of the cluster this pod runs in'),
  kubernetesPort: optionalText('KUBERNETES_SERVICE_PORT', 'its port'),
  podNamespace: optionalText('POD_NAMESPACE', 'namespace of the Secrets; unset: that of the credentials'),
  podName: optionalText(
    ['POD_NAME', 'HOSTNAME'],
    'name of this replica in the leader election; unset: made of its pid',
  ),
  upstream: parsed(
    'AMBIT_CA_UPSTREAM',
    parseIssuerReference,
    undefined,
    'CA that signs the certificate of this one: cert-manager:[Kind[.group]/]issuer; unset: a root of its own',
  ),
  upstreamTtlMs: durationMs('AMBIT_CA_UPSTREAM_TTL', 90 * 86_400_000, 'life to ask for the certificate signed there'),
  upstreamTimeoutMs: durationMs('AMBIT_CA_UPSTREAM_TIMEOUT', 60_000, 'how long its answer is waited for'),
  namespaceSelector: optionalText(
    'AMBIT_CA_NAMESPACE_SELECTOR',
    'label selector of the namespaces that are told the roots; unset: all',
  ),
  rotationStepMs: durationMs(
    'AMBIT_CA_ROTATION_STEP',
    24 * 3_600_000,
    'length of each of the two phases of a root rotation: at least the longest life of a certificate in use',
  ),
  keyPollMs: durationMs('AMBIT_CA_KEY_POLL', 5000, 'how often the Secrets with key material are read'),
  keyDirectory: optionalText('ROOT_CA_DIR', 'directory with a complete set of CA key material, watched for rotation'),
  stateDirectory: optionalText(
    'AMBIT_CA_DIR',
    'directory in which a self-signed CA is kept (made if empty), watched like ROOT_CA_DIR; with neither it lives in memory',
  ),
  jwksFile: optionalText('AMBIT_JWKS_FILE', 'JWKS file whose keys verify tokens; unset: no tokens are accepted'),
  tokenIssuer: optionalText('AMBIT_TOKEN_ISSUER', 'required issuer of tokens; unset: any'),
  audiences: list('TOKEN_AUDIENCES', ['istio-ca'], 'accepted audiences of tokens'),
  assignmentsFile: optionalText(
    'AMBIT_ASSIGNMENTS_FILE',
    'JSON file {"node": ["spiffe://..."]}; unset: nobody may ask for another identity',
  ),
  bus: optionalText('AMBIT_BUS', 'address of the event bus: nats://host:port or unix:/path; none means no events'),
  drainMs: durationMs('AMBIT_DRAIN', 5000, 'time for calls in progress at the end'),
  logFormat: oneOf('LOG_FORMAT', ['json', 'text'], 'json', 'format of the log'),
  logLevel: text('LOG_LEVEL', 'info', 'log level, with directives per scope'),
};

/** Name of this replica; without one a name that no other process of the machine has. */
export function replicaName({ podName }: Pick<CaConfig, 'podName'>): string {
  return podName ?? `ambit-ca-${process.pid}`;
}

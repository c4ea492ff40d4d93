/** Settings of the control plane. Names known from Istio are kept; own ones begin with AMBIT_. */
import {
  type ConfigEntry,
  durationMs,
  flag,
  integer,
  list,
  type ListenAddress,
  listenAddress,
  oneOf,
  optionalText,
  parsed,
  text,
} from '@ambit/runtime';
import type { LabelSelector } from '@ambit/kube';
import { type ExtensionProviders, parseExtensionProviders } from './l7/extension-providers.ts';
import { parseTelemetryDefaults } from './l7/telemetry-defaults.ts';
import {
  defaultMeshSettings,
  defaultTelemetry,
  type PathNormalisation,
  type ServiceEntryVisibility,
  type TelemetryDefaults,
} from './mesh-settings.ts';
import { type DeploymentSettings, defaultProxyResources, parseResources } from './gateways/deployment-settings.ts';
import { parseDiscoverySelectors, parseVisibility } from './mesh-config-text.ts';

/** What the control plane is told at start; the table below has names, defaults and meanings. */
export interface ControlPlaneConfig {
  /** `auto`: Kubernetes when this runs in a pod or has a kubeconfig, else folders. */
  readonly source: 'auto' | 'kubernetes' | 'folder';
  readonly kubeconfig: string | undefined;
  readonly apiServerHost: string | undefined;
  readonly apiServerPort: string;
  readonly grpc: ListenAddress;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly metricsPort: number;
  readonly webhookPort: number;
  readonly webhookConfiguration: string | undefined;
  readonly manifestDirs: readonly string[];
  readonly statusDirs: readonly string[];
  readonly stateDirectory: string | undefined;
  readonly debounceMs: number;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly systemNamespace: string;
  readonly rootNamespace: string;
  readonly revisions: readonly string[];
  readonly serviceEntryVisibility: ServiceEntryVisibility | undefined;
  readonly discoverySelectors: readonly LabelSelector[] | undefined;
  readonly sendsDryRunPolicies: boolean;
  readonly allowsOnlyWaypoints: boolean;
  readonly refusesWithoutWaypoint: boolean;
  readonly refusesPastWaypoint: boolean;
  readonly waypointControllers: readonly string[];
  readonly gatewayControllers: readonly string[];
  readonly trustDomainAliases: readonly string[];
  readonly serverHeader: string;
  readonly pathNormalisation: PathNormalisation;
  readonly trustedProxies: number;
  readonly extensionProviders: ExtensionProviders;
  readonly telemetry: TelemetryDefaults;
  readonly takesOverClasses: boolean;
  readonly readsCertificates: boolean;
  readonly proxyImage: string | undefined;
  readonly proxyPullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly proxyPullSecrets: readonly string[];
  readonly proxyXdsAddress: string | undefined;
  readonly proxyCaAddress: string | undefined;
  readonly proxyResources: DeploymentSettings['resources'];
  readonly nodeAccounts: readonly string[];
  readonly serviceAccount: string;
  readonly replica: string;
  readonly certificateFile: string | undefined;
  readonly privateKeyFile: string | undefined;
  readonly clientRootsFile: string | undefined;
  readonly caAddress: string | undefined;
  readonly caRoots: string;
  readonly token: string;
  readonly servingTtlMs: number;
  readonly jwksFile: string | undefined;
  readonly tokenIssuer: string | undefined;
  readonly audiences: readonly string[];
  readonly bus: string | undefined;
  readonly servesBroken: boolean;
  readonly drainMs: number;
  readonly logFormat: 'json' | 'text';
  readonly logLevel: string;
}

const port = { min: 0, max: 65_535 };

/** See `--print-config` for the values in force. */
export const controlPlaneConfig: { readonly [K in keyof ControlPlaneConfig]: ConfigEntry<ControlPlaneConfig[K]> } = {
  source: oneOf('AMBIT_SOURCE', ['auto', 'kubernetes', 'folder'], 'auto', 'where resources come from'),
  kubeconfig: optionalText('KUBECONFIG', 'kubeconfig file of the API server; unset: the service account of the pod'),
  apiServerHost: optionalText('KUBERNETES_SERVICE_HOST', 'address of the API server, set by Kubernetes in each pod'),
  apiServerPort: text('KUBERNETES_SERVICE_PORT', '443', 'port of the API server, set by Kubernetes in each pod'),
  grpc: listenAddress('AMBIT_GRPC_ADDRESS', { address: '0.0.0.0', port: 15_012 }, 'address and port of xDS (TLS)'),
  httpAddress: text('AMBIT_HTTP_ADDRESS', '0.0.0.0', 'address of the HTTP ports'),
  httpPort: integer('AMBIT_HTTP_PORT', 8_080, port, 'HTTP port: /ready, /debug/...'),
  metricsPort: integer('MONITORING_PORT', 15_014, port, 'HTTP port: /metrics'),
  webhookPort: integer('AMBIT_WEBHOOK_PORT', 15_017, port, 'HTTPS port of admission: /validate, /inject'),
  webhookConfiguration: optionalText(
    'AMBIT_WEBHOOK_CONFIGURATION',
    'ValidatingWebhookConfiguration whose trust the leader keeps; unset: ambit-validator-<own namespace>',
  ),
  manifestDirs: list('AMBIT_MANIFEST_DIRS', [], 'folders of Kubernetes YAML that people write'),
  statusDirs: list(
    ['AMBIT_STATUS_DIRS', 'AMBIT_STATUS_DIR'],
    [],
    'folders of status that machines write, laid over the manifests',
  ),
  stateDirectory: optionalText(
    'AMBIT_STATE_DIR',
    'folder in which allocated service addresses are kept; unset: they start anew with the process',
  ),
  debounceMs: durationMs('PILOT_DEBOUNCE_AFTER', 100, 'quiet time after a change before it is read'),
  clusterId: text('CLUSTER_ID', 'Kubernetes', 'name of the cluster, first part of workload UIDs'),
  clusterDomain: text('AMBIT_CLUSTER_DOMAIN', 'cluster.local', 'suffix of service host names after .svc'),
  trustDomain: text('TRUST_DOMAIN', 'cluster.local', 'trust domain of the mesh'),
  systemNamespace: text('POD_NAMESPACE', 'istio-system', 'own namespace, that of the mesh components'),
  rootNamespace: text('AMBIT_ROOT_NAMESPACE', 'istio-system', 'namespace whose policies are for the whole mesh'),
  revisions: list(
    ['AMBIT_REVISIONS', 'REVISION'],
    defaultMeshSettings.revisions,
    'revision and tags, values of istio.io/rev, whose configuration is read beside the unlabelled one',
  ),
  serviceEntryVisibility: parsed(
    'AMBIT_SERVICE_ENTRY_VISIBILITY',
    parseVisibility,
    undefined,
    'JSON of mesh configuration serviceEntryVisibility: defaultVisibility, policies; unset: all is PUBLIC',
  ),
  discoverySelectors: parsed(
    'AMBIT_DISCOVERY_SELECTORS',
    parseDiscoverySelectors,
    undefined,
    'JSON of mesh configuration discoverySelectors: namespaces that are looked at; unset: all',
  ),
  sendsDryRunPolicies: flag(
    'AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY',
    defaultMeshSettings.sendsDryRunPolicies,
    'send policies with istio.io/dry-run, marked as such',
  ),
  allowsOnlyWaypoints: flag(
    'PILOT_AUTO_ALLOW_WAYPOINT_POLICY',
    defaultMeshSettings.allowsOnlyWaypoints,
    'workloads behind a waypoint admit only the waypoint',
  ),
  refusesWithoutWaypoint: flag(
    'AMBIT_REFUSE_WITHOUT_WAYPOINT',
    defaultMeshSettings.refusesWithoutWaypoint,
    'a service with an L7 policy is not called while its waypoint is missing; false: called without, as in Istio',
  ),
  refusesPastWaypoint: flag(
    'AMBIT_REFUSE_PAST_WAYPOINT',
    defaultMeshSettings.refusesPastWaypoint,
    'pods of a service with an L7 policy refuse who does not come through its waypoint; false: admit, as in Istio',
  ),
  waypointControllers: list(
    'AMBIT_WAYPOINT_CONTROLLERS',
    defaultMeshSettings.waypointControllers,
    'controller names of GatewayClasses that are classes of waypoints',
  ),
  gatewayControllers: list(
    'AMBIT_GATEWAY_CONTROLLERS',
    defaultMeshSettings.gatewayControllers,
    'controller names of GatewayClasses that are classes of ingress and egress gateways',
  ),
  trustDomainAliases: list('TRUST_DOMAIN_ALIASES', [], 'further names of the trust domain in policies'),
  serverHeader: text(
    'AMBIT_SERVER_HEADER',
    defaultMeshSettings.serverHeader,
    "header `server` of answers through waypoints and gateways; empty: the backend's",
  ),
  pathNormalisation: oneOf(
    'AMBIT_PATH_NORMALIZATION',
    ['BASE', 'NONE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'],
    defaultMeshSettings.pathNormalisation,
    'mesh configuration pathNormalization: how waypoints and gateways bring paths into one form',
  ),
  trustedProxies: integer(
    'AMBIT_TRUSTED_PROXIES',
    0,
    { min: 0, max: 32 },
    'mesh configuration gatewayTopology.numTrustedProxies: proxies in front of gateways that are believed about clients',
  ),
  extensionProviders: {
    ...parsed(
      'AMBIT_EXTENSION_PROVIDERS',
      parseExtensionProviders,
      { authorization: [], tracing: [], logs: [], prometheus: [] },
      'JSON list of mesh configuration extensionProviders; those of external authorization, opentelemetry, envoyFileAccessLog, envoyOtelAls and prometheus are used',
    ),
    // Headers of collectors hold tokens.
    secret: true,
  },
  telemetry: parsed(
    'AMBIT_MESH_TELEMETRY',
    parseTelemetryDefaults,
    defaultTelemetry,
    'JSON object with mesh configuration accessLogFile, accessLogFormat, accessLogEncoding, defaultProviders, defaultConfig.tracing',
  ),
  readsCertificates: flag(
    'AMBIT_READ_CERTIFICATES',
    false,
    'read certificates in Secrets and ConfigMaps, for TLS at ingress gateways and to backends; needs the right to',
  ),
  takesOverClasses: flag(
    'AMBIT_TAKE_OVER_CLASSES',
    false,
    'deploy Gateways of class istio-waypoint as well; only where no istiod does',
  ),
  proxyImage: optionalText(
    'AMBIT_WAYPOINT_IMAGE',
    'image of the proxies of Gateways; unset: Gateways are not deployed',
  ),
  proxyPullPolicy: oneOf(
    'AMBIT_WAYPOINT_PULL_POLICY',
    ['Always', 'IfNotPresent', 'Never'],
    'IfNotPresent',
    'when that image is pulled',
  ),
  proxyPullSecrets: list('AMBIT_WAYPOINT_PULL_SECRETS', [], 'names of pull secrets in the namespaces of Gateways'),
  proxyXdsAddress: optionalText(
    'AMBIT_WAYPOINT_XDS_ADDRESS',
    'where proxies of Gateways find xDS; unset: https://ambit-control-plane.<own namespace>.svc:15012',
  ),
  proxyCaAddress: optionalText(
    'AMBIT_WAYPOINT_CA_ADDRESS',
    'where proxies of Gateways find the CA; unset: https://ambit-ca.<own namespace>.svc:15013',
  ),
  proxyResources: parsed(
    'AMBIT_WAYPOINT_RESOURCES',
    parseResources,
    defaultProxyResources,
    'JSON of requests and limits of the proxies of Gateways',
  ),
  nodeAccounts: list(
    'CA_TRUSTED_NODE_ACCOUNTS',
    [],
    'namespace/serviceaccount of node proxies; unset: ztunnel of the own namespace',
  ),
  serviceAccount: text('SERVICE_ACCOUNT', 'istiod', 'own service account, for the certificate from the CA'),
  replica: text(['POD_NAME', 'HOSTNAME'], 'control-plane', 'name of this process in events'),
  certificateFile: optionalText('AMBIT_TLS_CERT_FILE', 'PEM chain of the xDS port, watched; unset: asked from the CA'),
  privateKeyFile: optionalText('AMBIT_TLS_KEY_FILE', 'PEM key of the xDS port, watched'),
  clientRootsFile: optionalText('AMBIT_TLS_CLIENT_ROOTS_FILE', 'PEM roots of client certificates; unset: only tokens'),
  caAddress: optionalText('CA_ADDRESS', 'CA that issues the certificate of the xDS port, https://host:port'),
  caRoots: text('CA_ROOT_CA', './var/run/secrets/istio/root-cert.pem', 'trust roots of the CA: file, PEM or SYSTEM'),
  token: text('AUTH_TOKEN', './var/run/secrets/tokens/istio-token', 'own token for the CA: file or literal', {
    secret: true,
  }),
  servingTtlMs: durationMs('AMBIT_SERVING_CERT_TTL', 24 * 3_600_000, 'lifetime of the certificate asked from the CA'),
  jwksFile: optionalText('AMBIT_JWKS_FILE', 'JWKS file whose keys verify tokens; unset: no tokens are accepted'),
  tokenIssuer: optionalText('AMBIT_TOKEN_ISSUER', 'required issuer of tokens; unset: any'),
  audiences: list('TOKEN_AUDIENCES', ['istio-ca'], 'accepted audiences of tokens'),
  bus: optionalText('AMBIT_BUS', 'address of the event bus: nats://host:port or unix:/path; none means no events'),
  servesBroken: flag('AMBIT_SERVE_BROKEN', false, 'serve at start although objects are broken and so not in force'),
  drainMs: durationMs('AMBIT_DRAIN', 5_000, 'time for streams in progress at the end'),
  logFormat: oneOf('LOG_FORMAT', ['json', 'text'], 'json', 'format of the log'),
  logLevel: text('LOG_LEVEL', 'info', 'log level, with directives per scope'),
};

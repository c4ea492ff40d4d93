import type { LabelSelector, TracingSpec } from '@ambit/kube';

/** How far a ServiceEntry can be seen. `NONE`: it is not sent at all; `NAMESPACE`: clients of its namespace only. */
export type Visibility = 'PUBLIC' | 'NAMESPACE' | 'NONE';

/** Mesh configuration `serviceEntryVisibility`: the first policy that selects the namespace counts, else the default. */
export interface ServiceEntryVisibility {
  readonly defaultVisibility: Visibility;
  readonly policies: readonly {
    readonly visibility: Visibility;
    /** All must select the ServiceEntry's namespace; with none the policy is for every namespace. */
    readonly namespaceSelectors: readonly LabelSelector[];
  }[];
}

/** How a path is brought into one form before it is looked at. Istio: MeshConfig pathNormalization. */
export type PathNormalisation = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

/** A service that decides about requests. Istio: MeshConfig extensionProviders, envoyExtAuthzHttp and envoyExtAuthzGrpc. */
export interface AuthorizationProviderSettings {
  readonly name: string;
  /** Host of a service, with `namespace/` in front where several namespaces have it. */
  readonly service: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly failsOpen: boolean;
  /** Answer when the provider cannot be asked. */
  readonly statusOnError: number;
  /** 0: the body is not sent. */
  readonly maxBodyBytes: number;
  readonly allowsPartialBody: boolean;
  readonly protocol:
    | { readonly kind: 'grpc' }
    | {
        readonly kind: 'http';
        readonly pathPrefix: string;
        readonly includedHeaders: readonly string[];
        readonly addedHeaders: Readonly<Record<string, string>>;
        readonly headersToUpstream: readonly string[];
        readonly headersToDownstreamOnAllow: readonly string[];
        readonly headersToDownstreamOnDeny: readonly string[];
      };
}

/** Who takes OTLP, and how it is sent. */
export interface CollectorSettings {
  /** As in AuthorizationProviderSettings. */
  readonly service: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Undefined: gRPC. */
  readonly httpPath: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Tells what `OTEL_RESOURCE_ATTRIBUTES` of the proxies says. */
  readonly readsEnvironment: boolean;
}

/** A collector of traces. Istio: MeshConfig extensionProviders, opentelemetry. */
export interface TracingProviderSettings {
  readonly name: string;
  readonly collector: CollectorSettings;
  /** Longest URL of a span; 0: the proxies' own. */
  readonly maxUrlChars: number;
  /** What of it is written and has no effect. */
  readonly ignored: readonly string[];
}

/** What all derivations need to know of the mesh; fixed for the life of the process. */
export interface MeshSettings {
  /** Name of the Kubernetes cluster, first part of workload UIDs. */
  readonly clusterId: string;
  /** Suffix of service host names: `<name>.<namespace>.svc.<clusterDomain>`. */
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Namespace whose policies are for the whole mesh, and whose label names the network. */
  readonly rootNamespace: string;
  /** Names this control plane answers to in the label `istio.io/rev`: its revision and the tags that point to it. */
  readonly revisions: readonly string[];
  /** Undefined: every ServiceEntry is PUBLIC, and no status says so. */
  readonly serviceEntryVisibility: ServiceEntryVisibility | undefined;
  /** Policies with `istio.io/dry-run` are sent marked instead of not at all. Only a ztunnel that knows the mark may get them. */
  readonly sendsDryRunPolicies: boolean;
  /** Each workload behind a waypoint gets a policy that lets the waypoint in, and so nobody else. */
  readonly allowsOnlyWaypoints: boolean;
  /** A service with a policy that only its waypoint can enforce is not called when that waypoint is missing. */
  readonly refusesWithoutWaypoint: boolean;
  /** Pods of a service with a policy that only its waypoint can enforce refuse whoever has not come through it. */
  readonly refusesPastWaypoint: boolean;
  /** Two pods that claim one address are told. Files can say so, a cluster's network cannot. */
  readonly findsAddressConflicts: boolean;
  /** Controller names whose GatewayClasses are classes of waypoints. */
  readonly waypointControllers: readonly string[];
  /** Controller names whose GatewayClasses are classes of ingress and egress gateways. */
  readonly gatewayControllers: readonly string[];
  /** Controller names whose statuses are written here; the first stands for the mesh. */
  readonly ownControllers: readonly string[];
  /** Further names of the trust domain, all of the same authority. */
  readonly trustDomainAliases: readonly string[];
  /** What L7 proxies put into the header `server`; empty: they leave the backend's. */
  readonly serverHeader: string;
  readonly pathNormalisation: PathNormalisation;
  /** Proxies in front of gateways that are believed about who the client is. Istio: gatewayTopology.numTrustedProxies. */
  readonly trustedProxies: number;
  /** Who may be asked about requests; policies with action CUSTOM name one. */
  readonly authorizationProviders: readonly AuthorizationProviderSettings[];
  /** Collectors of traces; telemetry names one. */
  readonly tracingProviders: readonly TracingProviderSettings[];
  /** Beside `envoy`, which is there always. */
  readonly logProviders: readonly LogProviderSettings[];
  /** Names that mean metrics are there to be scraped, beside `prometheus`. */
  readonly prometheusProviders: readonly string[];
  readonly telemetry: TelemetryDefaults;
}

/** Where access logs go, and how they look. Istio: MeshConfig extensionProviders, envoyFileAccessLog and envoyOtelAls. */
export interface LogProviderSettings extends LogFormatSettings {
  readonly name: string;
  readonly omitsEmpty: boolean;
  /** Undefined: standard output. */
  readonly collector: CollectorSettings | undefined;
  /** What of it is written and has no effect, in whole sentences. */
  readonly ignored: readonly string[];
}

/** A line of a log. */
export interface LogFormatSettings {
  /** Empty: Istio's default. */
  readonly text: string;
  /** A JSON object of formats, as text, instead; `{}` is Istio's default one. Undefined: lines are text. */
  readonly template: string | undefined;
}

/** What holds where no Telemetry says anything. Istio: MeshConfig. */
export interface TelemetryDefaults {
  /** Everything is logged where nothing names a provider. Istio: accessLogFile. */
  readonly isLogged: boolean;
  /** Of that log, and of the provider `envoy`. Istio: accessLogFormat, accessLogEncoding. */
  readonly log: LogFormatSettings;
  /** Names. Istio: defaultProviders. */
  readonly tracing: readonly string[];
  readonly metrics: readonly string[];
  readonly accessLogging: readonly string[];
  /** Istio: defaultConfig.tracing. */
  readonly samplingPercent: number;
  readonly tags: TracingSpec['tags'];
  readonly maxUrlChars: number;
  /** What is written and has no effect, in whole sentences. */
  readonly ignored: readonly string[];
}

/** Istio's; also PILOT_TRACE_SAMPLING. */
export const defaultTelemetry: TelemetryDefaults = {
  isLogged: false,
  log: { text: '', template: undefined },
  tracing: [],
  metrics: ['prometheus'],
  accessLogging: [],
  samplingPercent: 1,
  tags: [],
  maxUrlChars: 0,
  ignored: [],
};

/** The values of a mesh nobody configured; also what Istio defaults to. */
export const defaultMeshSettings: MeshSettings = {
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  revisions: ['default'],
  serviceEntryVisibility: undefined,
  sendsDryRunPolicies: false,
  allowsOnlyWaypoints: false,
  refusesWithoutWaypoint: true,
  refusesPastWaypoint: true,
  findsAddressConflicts: true,
  waypointControllers: ['ambit.dev/mesh-controller', 'istio.io/mesh-controller'],
  gatewayControllers: ['ambit.dev/gateway-controller', 'istio.io/gateway-controller'],
  ownControllers: ['ambit.dev/mesh-controller', 'ambit.dev/gateway-controller'],
  trustDomainAliases: [],
  serverHeader: 'istio-envoy',
  pathNormalisation: 'BASE',
  trustedProxies: 0,
  authorizationProviders: [],
  tracingProviders: [],
  logProviders: [],
  prometheusProviders: [],
  telemetry: defaultTelemetry,
};

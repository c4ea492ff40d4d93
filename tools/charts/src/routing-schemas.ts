/**
 * Specifications of VirtualService and DestinationRule.
 * Source: https://istio.io/latest/docs/reference/config/networking/
 */
import {
  choice,
  count,
  flag,
  list,
  map,
  oneOf,
  optionalCount,
  optionalFlag,
  record,
  share,
  text,
  texts,
  time,
  whole,
  type Schema,
} from './schema.ts';

const match = choice({ exact: text, prefix: text, regex: text });
const portNumber = record({ number: count });
const destination = record({ host: text, subset: text, port: portNumber }, { required: ['host'] });
const percent = record({ value: { type: 'number', format: 'double' } });
const headerChange = record({ set: map(text), add: map(text), remove: texts });
const headers = record({ request: headerChange, response: headerChange });
const caller: Readonly<Record<string, Schema>> = {
  gateways: texts,
  port: count,
  sourceLabels: map(text),
  sourceNamespace: text,
};
const weighted = { destination, weight: whole };
const plainRoute = list(record(weighted, { required: ['destination'] }));

const httpMatch = record({
  ...caller,
  name: text,
  uri: match,
  scheme: match,
  method: match,
  authority: match,
  headers: map(match),
  withoutHeaders: map(match),
  queryParams: map(match),
  ignoreUriCase: flag,
  statPrefix: text,
});

const corsPolicy = record({
  allowOrigin: texts,
  allowOrigins: list(match),
  allowMethods: texts,
  allowHeaders: texts,
  exposeHeaders: texts,
  maxAge: time,
  allowCredentials: optionalFlag,
  unmatchedPreflights: oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE'),
});

const fault = record({
  delay: choice({ percent: whole, percentage: percent, fixedDelay: time, exponentialDelay: time }, [
    'fixedDelay',
    'exponentialDelay',
  ]),
  abort: choice({ percentage: percent, httpStatus: whole, grpcStatus: text, http2Error: text }, [
    'httpStatus',
    'grpcStatus',
    'http2Error',
  ]),
});

const retries = record({
  attempts: whole,
  perTryTimeout: time,
  backoff: time,
  retryOn: text,
  retryRemoteLocalities: optionalFlag,
  retryIgnorePreviousHosts: optionalFlag,
});

const httpRoute = record({
  name: text,
  match: list(httpMatch),
  route: list(record({ ...weighted, headers }, { required: ['destination'] })),
  redirect: choice(
    {
      uri: text,
      prefixRewrite: text,
      authority: text,
      scheme: text,
      redirectCode: count,
      port: count,
      derivePort: oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'),
    },
    ['port', 'derivePort'],
  ),
  directResponse: record(
    { status: count, body: choice({ string: text, bytes: { type: 'string', format: 'byte' } }) },
    { required: ['status'] },
  ),
  delegate: record({ name: text, namespace: text }),
  rewrite: record({ uri: text, authority: text, uriRegexRewrite: record({ match: text, rewrite: text }) }),
  timeout: time,
  retries,
  fault,
  mirror: destination,
  mirrors: list(record({ destination, percentage: percent }, { required: ['destination'] })),
  mirrorPercent: optionalCount,
  mirror_percent: optionalCount,
  mirrorPercentage: percent,
  corsPolicy,
  headers,
});

export const virtualService: Schema = record({
  hosts: texts,
  gateways: texts,
  exportTo: texts,
  http: list(httpRoute),
  tls: list(
    record(
      {
        match: list(record({ ...caller, sniHosts: texts, destinationSubnets: texts }, { required: ['sniHosts'] })),
        route: plainRoute,
      },
      { required: ['match'] },
    ),
  ),
  tcp: list(
    record({ match: list(record({ ...caller, destinationSubnets: texts, sourceSubnet: text })), route: plainRoute }),
  ),
});

const atLeastZero: Schema = { type: 'integer', minimum: 0 };
const factor: Schema = { type: 'number', format: 'double', minimum: 0, nullable: true };
const failover = { failover: list(record({ from: text, to: text })), failoverPriority: texts };

const loadBalancer = choice(
  {
    simple: oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
    consistentHash: record({
      httpHeaderName: text,
      httpCookie: record(
        {
          name: text,
          path: text,
          ttl: text,
          attributes: list(record({ name: text, value: text }, { required: ['name'] })),
        },
        { required: ['name'] },
      ),
      useSourceIp: flag,
      httpQueryParameterName: text,
      ringHash: record({ minimumRingSize: atLeastZero }),
      maglev: record({ tableSize: atLeastZero }),
      minimumRingSize: atLeastZero,
    }),
    localityLbSetting: record({
      enabled: optionalFlag,
      distribute: list(record({ from: text, to: map(count) })),
      ...failover,
    }),
    zoneAwareLbSetting: record({
      enabled: optionalFlag,
      minClusterSize: { type: 'integer', minimum: 1, nullable: true },
      ...failover,
    }),
    warmup: record({ duration: time, minimumPercent: share, aggression: factor }, { required: ['duration'] }),
    warmupDurationSecs: time,
  },
  ['simple', 'consistentHash'],
);

const connectionPool = record({
  tcp: record({
    maxConnections: whole,
    connectTimeout: time,
    idleTimeout: text,
    maxConnectionDuration: time,
    tcpKeepalive: record({ probes: count, time, interval: time }),
  }),
  http: record({
    http1MaxPendingRequests: whole,
    http2MaxRequests: whole,
    maxRequestsPerConnection: whole,
    maxRetries: whole,
    idleTimeout: time,
    h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: flag,
    maxConcurrentStreams: whole,
    http2KeepAlive: record({ interval: time, timeout: time }),
  }),
});

const outlierDetection = record({
  consecutiveErrors: whole,
  consecutive5xxErrors: optionalCount,
  consecutiveGatewayErrors: optionalCount,
  consecutiveLocalOriginFailures: optionalCount,
  splitExternalLocalOriginErrors: flag,
  outlierDetectionHttpErrorCodes: list({ type: 'integer', minimum: 100, maximum: 599 }),
  interval: time,
  baseEjectionTime: time,
  maxEjectionPercent: whole,
  minHealthPercent: whole,
});

const tls = record({
  mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: text,
  privateKey: text,
  caCertificates: text,
  caCrl: text,
  credentialName: text,
  subjectAltNames: texts,
  sni: text,
  insecureSkipVerify: optionalFlag,
});

const portPolicy = { loadBalancer, connectionPool, outlierDetection, tls };

const trafficPolicy = record({
  ...portPolicy,
  portLevelSettings: list(record({ ...portPolicy, port: portNumber }), 4096),
  tunnel: record({ protocol: text, targetHost: text, targetPort: count }, { required: ['targetHost', 'targetPort'] }),
  proxyProtocol: record({ version: oneOf('V1', 'V2') }),
  retryBudget: record({ percent: share, minRetryConcurrency: count, budgetInterval: text }),
});

export const destinationRule: Schema = record(
  {
    host: text,
    trafficPolicy,
    subsets: list(record({ name: text, labels: map(text), trafficPolicy }, { required: ['name'] })),
    exportTo: texts,
    workloadSelector: record({ matchLabels: map(text, 4096) }),
  },
  { required: ['host'] },
);

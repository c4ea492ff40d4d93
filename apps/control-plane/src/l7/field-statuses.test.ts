/** Fields that are set and have no effect are said on the object's own status. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { meshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';

const waypoint = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: shop, name: waypoint }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
`;

/** Message of the condition of the only object that has one; undefined for none. */
function saidOf(text: string, surroundings = waypoint): string | undefined {
  const { resources, reports } = parseManifests('case.yaml', surroundings + text);
  assert.deepEqual(reports, []);
  const mesh = meshCollections(defaultMeshSettings);
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
  const found = [...mesh.statuses.values()].flatMap(({ conditions = [] }) =>
    conditions.filter(({ type }) => type === 'ambit.dev/FieldsInForce'),
  );
  assert.ok(found.length <= 1);
  for (const { status, reason } of found) assert.deepEqual([status, reason], ['False', 'Unsupported']);
  return found[0]?.message;
}

const telemetry = (spec: string): string => `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { namespace: shop, name: one }
spec: ${spec}
`;
const rule = (policy: string): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { namespace: shop, name: one }
spec: { host: web, trafficPolicy: ${policy} }
`;
const routes = (http: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { namespace: shop, name: one }
spec: { hosts: [web], http: [${http}] }
`;
const tags = (overrides: string): string => telemetry(`{ metrics: [{ overrides: [{ tagOverrides: ${overrides} }] }] }`);

const table: readonly (readonly [name: string, text: string, message: string | undefined])[] = [
  [
    'labels by expressions that are known',
    tags(`{ a: { value: request.host }, b: { value: "request.headers['x'] + 'v'" }, c: { operation: REMOVE } }`),
    undefined,
  ],
  [
    'a label by something that is not known',
    tags(`{ a: { value: "node.metadata['X']" } }`),
    'metrics[0].overrides[0].tagOverrides.a: node.metadata is not known here; the label stays as it was',
  ],
  [
    'a label that cannot be one',
    tags(`{ a-b: { value: "'v'" } }`),
    'metrics[0].overrides[0].tagOverrides.a-b: it is no name for a label; the label stays as it was',
  ],
  [
    'a metric that there is not',
    telemetry('{ metrics: [{ reportingInterval: 10ms, overrides: [{ match: { metric: MINE }, disabled: true }] }] }'),
    'metrics[0].reportingInterval: connections are not counted more often than each second; metrics[0].overrides[0].match: there is no metric MINE here',
  ],
  [
    'a filter of the access log that is known',
    telemetry(`{ accessLogging: [{ filter: { expression: "response.code >= 400 && 'x' in request.headers" } }] }`),
    undefined,
  ],
  [
    'a filter that is not',
    telemetry(`{ accessLogging: [{ filter: { expression: "request.time != 0" } }] }`),
    'accessLogging[0].filter: request.time is not known here; everything is logged',
  ],
  [
    'tags of spans from everywhere',
    telemetry(
      `{ tracing: [{ customTags: { a: { environment: { name: X } }, b: { formatter: { value: "%REQ(X)%" } } }, enableIstioTags: false, useRequestIdForTraceSampling: false, disableContextPropagation: true }] }`,
    ),
    undefined,
  ],
  [
    'tags of spans that come to nothing',
    telemetry(`{ tracing: [{ customTags: { a: { formatter: { value: "%NO_SUCH%" } }, b: {} } }] }`),
    'tracing[0].customTags.a: %NO_SUCH% is not known here; it is shown as missing; tracing[0].customTags.b: it has no value',
  ],
  [
    'providers that nobody made',
    telemetry(
      '{ accessLogging: [{ providers: [{ name: envoy }, { name: otel }] }], tracing: [{ providers: [{ name: zipkin }] }] }',
    ),
    'accessLogging[0].providers: otel is not known here; nothing is logged for it; tracing[0].providers: zipkin is no collector of the mesh configuration; it gets no spans',
  ],
  [
    'a policy whose every field counts',
    rule('{ connectionPool: { http: { maxRetries: 3 } }, loadBalancer: { simple: ROUND_ROBIN } }'),
    undefined,
  ],
  [
    'fields of a policy that all count',
    rule(`{
      connectionPool: { tcp: { tcpKeepalive: { time: 10s } }, http: { http2KeepAlive: { interval: 1s, timeout: 1s } } },
      outlierDetection: { outlierDetectionHttpErrorCodes: [401] }, retryBudget: { budgetInterval: 1s },
      loadBalancer: { zoneAwareLbSetting: { minClusterSize: 3 } } }`),
    undefined,
  ],
  [
    'fields of a policy that do not count',
    rule('{ loadBalancer: { simple: FASTEST }, tls: { mode: SIMPLE, caCrl: /etc/crl.pem } }'),
    'trafficPolicy.loadBalancer.simple: FASTEST is not known; requests go to the least busy endpoint; trafficPolicy.tls.caCrl has no effect',
  ],
  ['a tunnel', rule('{ tunnel: { protocol: POST, targetHost: db.example, targetPort: 5432 } }'), undefined],
  [
    'a tunnel of a kind that there is not',
    rule('{ tunnel: { protocol: SOCKS, targetHost: db.example, targetPort: 5432 } }'),
    'trafficPolicy.tunnel.protocol: SOCKS is not known; proxies are asked by CONNECT',
  ],
  [
    'fields of routes that do not count',
    routes('{ fault: { abort: { http2Error: x } }, route: [{ destination: { host: web } }] }'),
    'http[0].fault.abort.http2Error has no effect',
  ],
  [
    'a status of gRPC that there is not',
    routes(
      '{ fault: { abort: { grpcStatus: "14", percentage: { value: 100 } } }, route: [{ destination: { host: web } }] }',
    ),
    'http[0].fault.abort: 14 is no status of gRPC; nothing is aborted',
  ],
  [
    'routes whose every field counts',
    routes(`{ match: [{ uri: { prefix: / }, statPrefix: x }], retries: { attempts: 3, retryRemoteLocalities: true },
      fault: { abort: { grpcStatus: UNAVAILABLE } }, route: [{ destination: { host: web } }], timeout: 1s }`),
    undefined,
  ],
];

for (const [name, text, message] of table)
  test(`${name}: ${message === undefined ? 'nothing is said' : 'the status says so'}`, () => {
    assert.equal(saidOf(text), message);
  });

test('nothing is said where no proxy of ours is', () => {
  assert.equal(saidOf(tags(`{ a: { value: nothing } }`), ''), undefined);
});

test('a UDPRoute is told that nothing carries it, at gateways and services', () => {
  const parents = `[{ name: edge }, { group: '', kind: Service, name: web }, { name: waypoint }]`;
  const text = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: shop, name: edge }
spec: { gatewayClassName: ambit, listeners: [{ name: dns, port: 53, protocol: UDP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { namespace: shop, name: dns }
spec: { parentRefs: ${parents}, rules: [{ backendRefs: [{ name: web, port: 53 }] }] }
`;
  const { resources, reports } = parseManifests('case.yaml', waypoint + text);
  assert.deepEqual(reports, []);
  const mesh = meshCollections(defaultMeshSettings);
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
  const written = [...mesh.statuses.values()].find(({ kind }) => kind === 'UDPRoute')?.parents ?? [];
  assert.deepEqual(
    written.map(({ conditions }) => conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`)[0]),
    Array.from({ length: 3 }, () => 'Accepted False UnsupportedValue'),
  );
});

test('a bare label of failoverPriority is compared with the label of the proxy, or with its absence', () => {
  const pod = (name: string, labels: string): string => `---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: ${name}, uid: ${name}, labels: { app: web${labels} } }
spec: { nodeName: n, containers: [] }
status: { phase: Running, podIP: 10.1.0.${name.slice(1)}, podIPs: [{ ip: 10.1.0.${name.slice(1)} }] }
`;
  const preferred = (gatewayLabels: string): readonly (readonly string[])[] => {
    const text = `apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/use-waypoint: waypoint } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: shop, name: waypoint${gatewayLabels} }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.9.0.9 }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: shop, name: web }
spec: { clusterIP: 10.9.0.1, selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
${rule('{ outlierDetection: {}, loadBalancer: { localityLbSetting: { failoverPriority: [tier] } } }')}
${pod('p1', ', tier: gold')}${pod('p2', ', tier: iron')}${pod('p3', '')}`;
    const { resources, reports } = parseManifests('case.yaml', text);
    assert.deepEqual(reports, []);
    const mesh = meshCollections(defaultMeshSettings);
    mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
    const found = [...mesh.l7.destinations.values()].find(({ message }) => message.hostname.startsWith('web.'));
    return (found?.message.ports[0]?.traffic?.balancing?.locality?.preferences ?? []).map(({ kind }) =>
      kind.case === 'members' ? kind.value.workloadUids : [],
    );
  };
  assert.deepEqual(preferred(', labels: { tier: gold }'), [['Kubernetes//Pod/shop/p1']]);
  assert.deepEqual(preferred(', labels: { tier: none }'), [[]]);
  assert.deepEqual(preferred(''), [['Kubernetes//Pod/shop/p3']]);
});

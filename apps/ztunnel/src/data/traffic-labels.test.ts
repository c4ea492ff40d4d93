import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '@ambit/workload';
import { formatBaggage, parseBaggage } from './baggage.ts';
import { connectHeaders, newTraceParent } from './connect-headers.ts';
import { type TrafficFacts, trafficLabelNames, trafficLabels } from './traffic-labels.ts';

const web: Workload = {
  uid: 'Kubernetes//Pod/shop/web-1',
  name: 'web-1',
  namespace: 'shop',
  trustDomain: 'cluster.local',
  serviceAccount: 'web',
  identity: 'spiffe://cluster.local/ns/shop/sa/web',
  addresses: ['10.0.0.1'],
  network: '',
  isHostNetwork: false,
  protocol: 'hbone',
  nativeTunnel: false,
  waypoint: undefined,
  networkGateway: undefined,
  applicationTunnel: undefined,
  node: 'node1',
  clusterId: 'Kubernetes',
  locality: { region: 'r', zone: 'z', subzone: '' },
  canonicalName: 'web-service',
  canonicalRevision: 'v2',
  workloadName: 'web',
  workloadType: 'deployment',
  authorizationPolicies: [],
  isHealthy: true,
  hostname: '',
  services: new Map(),
  capacity: 1,
};
const nothing: TrafficFacts = {
  reporter: 'destination',
  source: undefined,
  sourceBaggage: undefined,
  sourcePrincipal: undefined,
  destination: undefined,
  service: undefined,
  isMutualTls: false,
};

function labels(facts: Partial<TrafficFacts>): Record<string, string> {
  const values = trafficLabels({ ...nothing, ...facts }, '-');
  return Object.fromEntries(trafficLabelNames.map((name, i) => [name, values[i] ?? '?']));
}

test('what is not known is called unknown', () => {
  const all = labels({});
  assert.equal(all['source_workload'], 'unknown');
  assert.equal(all['destination_principal'], 'unknown');
  assert.equal(all['source_region'], 'unknown');
  assert.equal(all['connection_security_policy'], 'unknown');
});

test('the state of the mesh wins over what a peer says of itself, but not over what TLS proved', () => {
  const sourceBaggage = parseBaggage('k8s.deployment.name=liar,service.name=lie');
  const all = labels({ source: web, sourceBaggage, sourcePrincipal: 'spiffe://a/ns/b/sa/c', isMutualTls: true });
  assert.equal(all['source_workload'], 'web');
  assert.equal(all['source_app'], 'web-service');
  assert.equal(all['source_principal'], 'spiffe://a/ns/b/sa/c');
});

test('known from baggage only, the application is the name of the workload', () => {
  const all = labels({
    sourceBaggage: parseBaggage('k8s.job.name=batch,service.name=batch-service,service.version=v1'),
  });
  assert.equal(all['source_workload'], 'batch');
  assert.equal(all['source_canonical_service'], 'batch-service');
  assert.equal(all['source_app'], 'batch');
});

test('the destination principal is filled for plaintext too', () => {
  assert.equal(labels({ destination: web })['destination_principal'], web.identity);
});

test('baggage is written in order, without what is empty, and read back', () => {
  const text = formatBaggage({ ...web, canonicalRevision: '' });
  assert.equal(
    text,
    'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web-service,cloud.region=r,cloud.availability_zone=z',
  );
  const read = parseBaggage(text);
  assert.equal(read.workloadName, 'web');
  assert.equal(read.serviceVersion, undefined);
  assert.equal(read.zone, 'z');
});

test('baggage that is damaged or far too long says nothing', () => {
  assert.equal(parseBaggage('k8s.namespace.name').namespace, undefined);
  assert.equal(parseBaggage(`k8s.namespace.name=${'x'.repeat(5000)}`).namespace, undefined);
  assert.equal(parseBaggage(undefined).namespace, undefined);
});

test('a CONNECT request carries baggage, forwarded and traceparent in this order', () => {
  const service = { hostname: 'web.shop', name: 'web', namespace: 'shop' };
  const sourceAddress = { address: 'fd00::1', port: 5 };
  const traceParent = newTraceParent(() => 0xab);
  const headers = connectHeaders({ source: web, sourceAddress, service, traceParent });
  assert.deepEqual(
    headers.map(([name]) => name),
    ['baggage', 'forwarded', 'traceparent'],
  );
  assert.equal(headers[1]?.[1], 'for="[fd00::1]:5";host=web.shop');
  assert.equal(traceParent, '00-000000ab000000ab000000ab000000ab-000000ab000000ab-00');
  assert.equal(traceParent.length, 55);
});

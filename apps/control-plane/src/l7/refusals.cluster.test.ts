/** What a waypoint refuses, and whether limits are in force: said in statuses on a real API server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { discovery } from '@ambit/api';
import { type ApiKind, apiKinds } from '@ambit/kube';
import { DESTINATION_TYPE } from '@ambit/xds';
import { oneReplica } from '../testing/replicas.ts';
import { at, noCluster, until } from '../testing/test-cluster.ts';
import { WaypointProbe } from '../testing/waypoint-probe.ts';

const skip = noCluster;

const { Gateway, DestinationRule, RateLimitPolicy, Telemetry, VirtualService } = apiKinds;

const one = oneReplica([Gateway, DestinationRule, RateLimitPolicy, Telemetry, VirtualService], async ({ cluster }) => {
  const { shop } = cluster;
  await cluster.apply(apiKinds.Gateway, shop, 'waypoint', {
    spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
    status: { addresses: [{ type: 'IPAddress', value: '10.1.0.9' }] },
  });
  await cluster.apply(apiKinds.Service, shop, 'web', {
    metadata: { labels: { 'istio.io/use-waypoint': 'waypoint' } },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80 }] },
  });
});

/** `status reason message` of a condition; undefined when there is none of the type. */
async function condition(kind: ApiKind, name: string, type: string): Promise<string | undefined> {
  const object = await one.cluster.client.get(one.cluster.ref(kind, one.cluster.shop, name));
  for (let i = 0; i < 16; i++) {
    const one = at(object, 'status', 'conditions', i);
    if (one === undefined) return undefined;
    if (at(one, 'type') === type)
      return ['status', 'reason', 'message'].map((field) => String(at(one, field))).join(' ');
  }
  return undefined;
}

test('a policy of limits says whether it is in force', { skip }, async () => {
  const { shop } = one.cluster;
  const spec = (service: string): object => ({
    targetRefs: [{ group: '', kind: 'Service', name: service }],
    limits: [{ requests: 5, interval: '1m', per: ['SourcePrincipal'] }],
  });
  await one.cluster.apply(apiKinds.RateLimitPolicy, shop, 'limits', { spec: spec('web') });
  const told = (): Promise<string | undefined> => condition(apiKinds.RateLimitPolicy, 'limits', 'WaypointAccepted');
  await until(
    async () => (await told()) === `True Accepted bound to ${shop}/waypoint`,
    () => one.replica.lines.slice(-20),
  );
  await one.cluster.apply(apiKinds.RateLimitPolicy, shop, 'limits', { spec: spec('nobody') });
  await until(
    async () => (await told()) === `False TargetNotFound there is no Service ${shop}/nobody`,
    () => one.replica.lines.slice(-20),
  );
});

test('fields that have no effect are in the status of their object until they are gone', { skip }, async () => {
  const { shop } = one.cluster;
  const type = 'ambit.dev/FieldsInForce';
  const route = [{ destination: { host: 'web' } }];
  const objects = [
    [
      apiKinds.Telemetry,
      { accessLogging: [{ filter: { expression: 'request.time != 0' } }] },
      { accessLogging: [{ filter: { expression: 'response.code >= 500' } }] },
      'accessLogging[0].filter: request.time is not known here; everything is logged',
    ],
    [
      apiKinds.VirtualService,
      { hosts: ['web'], http: [{ route, fault: { abort: { httpStatus: 500, http2Error: 'CANCEL' } } }] },
      { hosts: ['web'], http: [{ route }] },
      'http[0].fault.abort.http2Error has no effect',
    ],
    [
      apiKinds.DestinationRule,
      { host: 'web', trafficPolicy: { tls: { mode: 'SIMPLE', caCrl: 'x' } } },
      { host: 'web' },
      'trafficPolicy.tls.caCrl has no effect',
    ],
  ] as const;
  for (const [kind, wrong, right, message] of objects) {
    await one.cluster.apply(kind, shop, 'fields', { spec: wrong });
    await until(
      async () => (await condition(kind, 'fields', type)) === `False Unsupported ${message}`,
      () => one.replica.lines.slice(-20),
    );
    await one.cluster.apply(kind, shop, 'fields', { spec: right });
    await until(
      async () => (await condition(kind, 'fields', type)) === undefined,
      () => one.replica.lines.slice(-20),
    );
    await one.cluster.client.delete(one.cluster.ref(kind, shop, 'fields'));
  }
});

/** Refuses the first version of its destination, takes what comes later. */
class RefusingWaypoint extends WaypointProbe {
  versions = 0;

  protected override objection({ typeUrl, resources }: discovery.DeltaDiscoveryResponse): { readonly error?: string } {
    const [destination] = resources;
    if (typeUrl !== DESTINATION_TYPE || destination === undefined) return {};
    this.versions += 1;
    return this.versions === 1 ? { error: `${destination.name}: port 80: too much; subset a: of this` } : {};
  }
}

test('the reason of a NACK is in the status of the Service until something else is sent', { skip }, async () => {
  const { shop } = one.cluster;
  const { port } = await until(() => one.replica.ports());
  const labels = { 'gateway.networking.k8s.io/gateway-name': 'waypoint' };
  await one.cluster.runPod(shop, 'waypoint-1', '10.1.0.9', { account: 'waypoint', labels });
  const token = await one.cluster.token(shop, 'waypoint', 'waypoint-1', 'istio-ca');
  const place = { namespace: shop, serviceAccount: 'waypoint', nodeName: one.replicas.node, instanceIp: '10.1.0.9' };
  using waypoint = new RefusingWaypoint({ port, rootsPem: one.replicas.rootsPem, token }, place);
  waypoint.subscribe();
  const told = (): Promise<string | undefined> => condition(apiKinds.Service, 'web', 'ambit.dev/WaypointConfigured');
  await until(
    async () => (await told()) !== undefined,
    () => one.replica.lines.slice(-20),
  );
  assert.equal(
    await told(),
    `False Rejected ${shop}/waypoint refused what was derived: port 80: too much; subset a: of this; the last good version stays in force`,
  );
  await one.cluster.apply(apiKinds.DestinationRule, shop, 'web', {
    spec: { host: 'web', trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } },
  });
  await until(
    async () => (await told()) === undefined,
    () => one.replica.lines.slice(-20),
  );
  await until(() => waypoint.versions >= 2);
});

/** Place: preference, failover and shares, from the mesh's state. Spec: contract l7 9.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { traffic as messages, workload as api } from '@ambit/api';
import { changeCount, WorkloadArena, WorkloadStore } from '@ambit/workload';
import { create, type MessageInitShape } from '@bufbuild/protobuf';

import { compileTrafficPolicy } from '../../config/compile-traffic-policy.ts';
import { Problems } from '../../config/problems.ts';
import { pod, service } from '../test-support/mesh-messages.ts';
import { type EndpointQuery, serviceEndpoints } from './find-endpoints.ts';

const key = 'shop/web.shop.svc.cluster.local';
const { REGION, ZONE, SUBZONE, NODE, NETWORK } = api.LoadBalancing_Scope;
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };

/** Endpoints by name, each at `region/zone/subzone/node`; the proxy is at `here`. */
function mesh(
  places: Readonly<Record<string, string>>,
  init: Parameters<typeof service>[2] = {},
): Pick<EndpointQuery, 'store' | 'self'> {
  const arena = new WorkloadArena();
  const at = (name: string, address: string, place: string, services: Record<string, number>): void => {
    const [region = '', zone = '', subzone = '', node = ''] = place.split('/');
    arena.upsert(pod(name, address, services, { ...plain, locality: { region, zone, subzone }, node }));
  };
  arena.upsert(service('web', '10.9.0.1', init));
  at('self', '10.0.0.1', 'r1/z1/s1/n1', {});
  for (const [i, [name, place]] of Object.entries(places).entries()) at(name, `10.0.1.${i + 1}`, place, { web: 8080 });
  const store = new WorkloadStore();
  const batch = arena.takeBatch();
  assert.ok(batch !== undefined);
  store.apply(batch, 0, changeCount(batch));
  return { store, self: store.workloadByAddress('', '10.0.0.1') };
}

/** Names of the endpoints, nearest first, those of one rank together; or by the key of their share. */
function found(
  { store, self }: Pick<EndpointQuery, 'store' | 'self'>,
  locality: MessageInitShape<typeof messages.Balancing_LocalitySchema> | undefined,
  by: 'rank' | 'share' = 'rank',
): Readonly<Record<string, string>> | string {
  const policy = compileTrafficPolicy(
    create(messages.TrafficPolicySchema, locality === undefined ? {} : { balancing: { locality } }),
    'test',
    new Problems(),
  );
  const one = store.serviceByKey(key);
  assert.ok(one !== undefined);
  const endpoints = serviceEndpoints({ store, network: '', self, resolve: () => [] }, one, 80, undefined, policy);
  const groups = Map.groupBy(endpoints, ({ rank, share }) => (by === 'rank' ? rank : `${share?.key}:${share?.weight}`));
  const names = (list: typeof endpoints): string =>
    list
      .map(({ workload }) => workload?.name ?? '')
      .toSorted()
      .join('+');
  if (by === 'share') return Object.fromEntries([...groups].map(([share, list]) => [String(share), names(list)]));
  return [...groups]
    .toSorted(([a], [b]) => Number(b) - Number(a))
    .map(([, list]) => names(list))
    .join(' > ');
}

const everywhere = {
  node: 'r1/z1/s1/n1',
  subzone: 'r1/z1/s1/n2',
  zone: 'r1/z1/s2/n3',
  region: 'r1/z2/s1/n4',
  abroad: 'r2/z1/s1/n5',
  farther: 'r3/z1/s1/n6',
};

test('without a wish all endpoints are alike', () => {
  assert.equal(found(mesh(everywhere), undefined), 'abroad+farther+node+region+subzone+zone');
});

test("a service's wish for near endpoints counts at a waypoint", () => {
  const wish = (routingPreference: readonly api.LoadBalancing_Scope[]): Parameters<typeof mesh>[1] => ({
    loadBalancing: { mode: api.LoadBalancing_Mode.FAILOVER, routingPreference: [...routingPreference] },
  });
  const sameZone = found(mesh(everywhere, wish([NETWORK, REGION, ZONE])), undefined);
  assert.equal(sameZone, 'node+subzone+zone > region > abroad+farther');
  const sameNode = found(mesh(everywhere, wish([NETWORK, REGION, ZONE, SUBZONE, NODE])), undefined);
  assert.equal(sameNode, 'node > subzone > zone > region > abroad+farther');
});

test('failover names the region that comes next', () => {
  const routingPreference = [REGION, ZONE, SUBZONE];
  const locality = { enabled: true, routingPreference, failover: { r1: 'r3' } };
  assert.equal(found(mesh(everywhere), locality), 'node+subzone > zone > region > farther > abroad');
  const other = { enabled: true, routingPreference, failover: { r9: 'r3' } };
  assert.equal(found(mesh(everywhere), other), 'node+subzone > zone > region > abroad+farther');
});

test('with too few endpoints in the own region its zones do not count', () => {
  const routingPreference = [REGION, ZONE, SUBZONE];
  const withLeast = (minRegionEndpoints: bigint): unknown =>
    found(mesh(everywhere), { enabled: true, routingPreference, minRegionEndpoints });
  assert.equal(withLeast(4n), 'node+subzone > zone > region > abroad+farther');
  assert.equal(withLeast(5n), 'node+region+subzone+zone > abroad+farther', 'there are four');
  assert.equal(withLeast(0n), 'node+subzone > zone > region > abroad+farther');
});

test('preferences may be for certain endpoints', () => {
  const uid = (name: string): string => `Kubernetes//Pod/shop/${name}`;
  const members = { workloadUids: [uid('abroad'), uid('farther'), uid('zone')] };
  const preferences = [
    { kind: { case: 'members' as const, value: members } },
    { kind: { case: 'scope' as const, value: REGION } },
  ];
  assert.equal(found(mesh(everywhere), { enabled: true, preferences }), 'zone > abroad+farther > node+region+subzone');
});

test('shares are of the places that are listed; others get nothing', () => {
  const distribute = [
    { from: 'r2/*', to: { 'r1/*': 100 } },
    { from: 'r1/z1/*', to: { 'r1/z1/*': 70, 'r1/z2': 20, r2: 10 } },
    { from: 'r1', to: { r3: 100 } },
  ];
  assert.deepEqual(found(mesh(everywhere), { enabled: true, distribute }, 'share'), {
    '0:70': 'node+subzone+zone',
    '1:20': 'region',
    '2:10': 'abroad',
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { workload as api } from '@ambit/api';
import { chooseEndpoint } from './choose-endpoint.ts';
import { encodeWorkload, inServices, ip, mesh, service } from './mesh.fixture.ts';

const { Scope, Mode } = { Scope: api.LoadBalancing_Scope, Mode: api.LoadBalancing_Mode };
type Init = MessageInitShape<typeof api.WorkloadSchema>;

function at(name: string, place: Init): Uint8Array {
  return encodeWorkload({
    uid: name,
    name,
    namespace: 'shop',
    services: inServices('web'),
    addresses: [ip('10.0.0.1')],
    ...place,
  });
}

const here: Init = { network: 'n', locality: { region: 'r', zone: 'z', subzone: 's' }, node: 'node1', clusterId: 'c' };
const caller = encodeWorkload({ uid: 'caller', name: 'caller', namespace: 'shop', ...here });

/** The endpoints that are ever chosen, by drawing along the whole range. */
function chosen(endpoints: readonly Uint8Array[], balancing: MessageInitShape<typeof api.LoadBalancingSchema>): string {
  const { store } = mesh([caller, service('web', '10.1.0.1', { loadBalancing: balancing }), ...endpoints]);
  const source = store.workloadByUid('caller');
  const web = store.serviceByKey('shop/web.shop.svc.cluster.local');
  assert.ok(source && web);
  const names = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const endpoint = chooseEndpoint(store, source, web, 80, 'standard', () => i / 100);
    if (endpoint !== undefined) names.add(endpoint.workload.name);
  }
  return [...names].sort().join(' ');
}

const sameNode = at('same-node', here);
const sameZone = at('same-zone', { ...here, node: 'node2' });
const sameRegion = at('same-region', {
  ...here,
  node: 'node3',
  locality: { region: 'r', zone: 'other', subzone: 's' },
});
const far = at('far', { ...here, node: 'node4', locality: { region: 'x', zone: 'z', subzone: 's' } });
const abroad = at('abroad', { ...here, network: 'm' });
const all = [sameNode, sameZone, sameRegion, far, abroad];

test('without a mode every endpoint is chosen from', () => {
  assert.equal(chosen(all, { routingPreference: [Scope.NODE] }), 'abroad far same-node same-region same-zone');
});

test('STRICT takes only endpoints that match every preference', () => {
  assert.equal(chosen(all, { mode: Mode.STRICT, routingPreference: [Scope.NODE] }), 'abroad same-node');
  assert.equal(chosen([far, abroad], { mode: Mode.STRICT, routingPreference: [Scope.NETWORK, Scope.NODE] }), '');
});

test('FAILOVER takes the endpoints with the longest row of matches', () => {
  const preferences = { mode: Mode.FAILOVER, routingPreference: [Scope.REGION, Scope.ZONE] };
  assert.equal(chosen([sameZone, sameRegion, far], preferences), 'same-zone');
  assert.equal(chosen([sameRegion, far], preferences), 'same-region');
});

test('a match behind a mismatch does not count', () => {
  // `far` shares zone and subzone by name, but not the region.
  const preferences = { mode: Mode.FAILOVER, routingPreference: [Scope.REGION, Scope.ZONE, Scope.SUBZONE] };
  assert.equal(chosen([sameRegion, far], preferences), 'same-region');
});

test('any endpoint of the own network outranks every remote one', () => {
  const preferences = { mode: Mode.FAILOVER, routingPreference: [Scope.NETWORK, Scope.REGION, Scope.ZONE] };
  assert.equal(chosen([far, abroad], preferences), 'far');
});

test('among remote endpoints the places still count when the network is preferred', () => {
  const preferences = { mode: Mode.FAILOVER, routingPreference: [Scope.NETWORK, Scope.REGION] };
  const abroadFar = at('abroad-far', { ...here, network: 'm', locality: { region: 'x', zone: '', subzone: '' } });
  assert.equal(chosen([abroad, abroadFar], preferences), 'abroad');
});

test('FAILOVER without any match takes all', () => {
  assert.equal(chosen([far, sameRegion], { mode: Mode.FAILOVER, routingPreference: [Scope.NODE] }), 'far same-region');
});

test('a better group whose capacities are zero yields no upstream', () => {
  const drained = at('drained', { ...here, capacity: 0 });
  assert.equal(chosen([drained, far], { mode: Mode.FAILOVER, routingPreference: [Scope.NODE] }), '');
});

test('capacity weighs the choice', () => {
  const { store } = mesh([caller, service('web', '10.1.0.1'), at('one', {}), at('three', { capacity: 3 })]);
  const source = store.workloadByUid('caller');
  const web = store.serviceByKey('shop/web.shop.svc.cluster.local');
  assert.ok(source && web);
  const counts = new Map<string, number>();
  for (let i = 0; i < 1000; i++) {
    const name = chooseEndpoint(store, source, web, 80, 'standard', () => i / 1000)?.workload.name ?? '-';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(counts), { one: 250, three: 750 });
});

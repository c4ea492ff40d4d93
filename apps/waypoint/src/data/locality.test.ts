/** Place among real endpoints: shares, failover with ejection, hash keys, slow start. Spec: contract l7 9.2, 3.4. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traffic as messages, workload as api } from '@ambit/api';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const vip = '10.9.0.1';
const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const { REGION, ZONE } = api.LoadBalancing_Scope;
type Traffic = MessageInitShape<typeof messages.TrafficPolicySchema>;
type Status = () => number;

/** A waypoint in r1/z1 with an endpoint in each place, which answers with its name. */
async function rigWith(
  places: Readonly<Record<string, string>>,
  traffic: Traffic,
  statusOf: Readonly<Record<string, Status>> = {},
): Promise<{ readonly rig: WaypointRig; readonly entry: number }> {
  const rig = await WaypointRig.open();
  const locality = (place: string): { region: string; zone: string; subzone: string } => {
    const [region = '', zone = ''] = place.split('/');
    return { region, zone, subzone: '' };
  };
  rig.mesh(service('web', vip), pod('self', '127.0.0.99', {}, { ...plain, locality: locality('r1/z1') }));
  let last = 1;
  for (const [name, place] of Object.entries(places)) {
    const backend = await rig.backend(
      (_request, response) => {
        response.statusCode = statusOf[name]?.() ?? 200;
        response.end(name);
      },
      `127.0.0.${(last += 1)}`,
    );
    rig.mesh(pod(name, `127.0.0.${last}`, { web: backend.port }, { ...plain, locality: locality(place) }));
  }
  const [name, bytes] = destination('web', { traffic });
  rig.configure({ proxy: proxy({ destinations: [name] }), destinations: [[name, bytes]] });
  return { rig, entry: rig.entry(`${vip}:80`) };
}

async function shares(
  rig: WaypointRig,
  entry: number,
  count: number,
  headers: Record<string, string> = {},
): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { body } = await rig.fetch(entry, '/', { headers });
    seen[body] = (seen[body] ?? 0) + 1;
  }
  return seen;
}

test('distribute: places get exactly their shares, others nothing', async () => {
  const distribute = [{ from: 'r1/z1', to: { 'r1/z1': 80, 'r1/z2': 15, r2: 5 } }];
  const { rig, entry } = await rigWith(
    { near: 'r1/z1', next: 'r1/z2', far: 'r2/z1', other: 'r3/z1' },
    { balancing: { locality: { enabled: true, distribute } } },
  );
  await using _ = rig;
  assert.deepEqual(await shares(rig, entry, 100), { near: 80, next: 15, far: 5 });
});

test('failover: the nearest take all, then the zone beside, then the region that is named', async () => {
  const failing = new Set<string>();
  const status =
    (name: string): Status =>
    () =>
      failing.has(name) ? 503 : 200;
  const { rig, entry } = await rigWith(
    { near: 'r1/z1', next: 'r1/z2', named: 'r3/z1', other: 'r2/z1' },
    {
      balancing: { locality: { enabled: true, routingPreference: [REGION, ZONE], failover: { r1: 'r3' } } },
      outliers: { consecutive5xx: 1, maxEjectionPercent: 100, baseEjection: { seconds: 60n } },
    },
    { near: status('near'), next: status('next') },
  );
  await using _ = rig;
  assert.deepEqual(await shares(rig, entry, 20), { near: 20 });
  failing.add('near');
  await rig.fetch(entry, '/');
  assert.deepEqual(await shares(rig, entry, 20), { next: 20 });
  failing.add('next');
  await rig.fetch(entry, '/');
  assert.deepEqual(await shares(rig, entry, 20), { named: 20 });
});

test('a key keeps its endpoint, with both tables', async () => {
  for (const algorithm of [messages.Balancing_Algorithm.RING_HASH, messages.Balancing_Algorithm.MAGLEV]) {
    const { rig, entry } = await rigWith(
      { a: 'r1/z1', b: 'r1/z1', c: 'r1/z1' },
      { balancing: { algorithm, hashKey: { kind: { case: 'header', value: 'x-user' } } } },
    );
    await using _ = rig;
    const owners = new Set<string>();
    for (let user = 0; user < 24; user++) {
      const seen = Object.keys(await shares(rig, entry, 4, { 'x-user': `user ${user}` }));
      assert.equal(seen.length, 1);
      owners.add(seen[0] ?? '');
    }
    assert.equal(owners.size, 3, 'two dozen users are with all three');
  }
});

/** A NACK is told where users look: in the status of the Service or ServiceEntry it is about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifests } from '@ambit/kube';
import { DESTINATION_TYPE, PROXY_TYPE } from '@ambit/xds';
import { applyEvents } from '../derive/mesh-sources.ts';
import { join, meshOf, type TrapMesh } from '../derive/test-support/trap-mesh.ts';
import { RefusalLedger } from './refusal-ledger.ts';

const waypoint = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.96.0.9 }] }`;
const web = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: { istio.io/use-waypoint: waypoint } }
spec: { clusterIP: 10.96.1.1, selector: { app: web }, ports: [{ name: http, port: 80 }] }`;
const entry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: shop, labels: { istio.io/use-waypoint: waypoint } }
spec: { hosts: [api.example.com], resolution: DNS, ports: [{ number: 80, name: http, protocol: HTTP }] }`;
const rule = (more: string): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web, namespace: shop }
spec: { host: web, trafficPolicy: { loadBalancer: { simple: ${more} } } }`;

const ofWeb = 'shop/waypoint/shop/web.shop.svc.cluster.local';
const ofEntry = 'shop/waypoint/shop/api.example.com';

function ledgerOf({ mesh }: TrapMesh): RefusalLedger {
  return new RefusalLedger({ graph: mesh.graph, refusals: mesh.sources.refusals, destinations: mesh.l7.destinations });
}

/** What the status of an object says of refusals. */
function told({ mesh }: TrapMesh, key: string): string | undefined {
  const { conditions = [] } = mesh.statuses.get(`${key}/ambit-status`) ?? {};
  return conditions.find(({ type }) => type === 'ambit.dev/WaypointConfigured')?.message;
}

test('what a waypoint refuses is said in the status, with its reason, and goes when something else is sent', async () => {
  const world = meshOf(join(waypoint, web, entry, rule('RANDOM')));
  using ledger = ledgerOf(world);
  const text = `${ofWeb}: port 80: no such thing; subset a: nor this; ${ofEntry}: no destination`;
  ledger.note(DESTINATION_TYPE, 'shop', text);
  assert.equal(
    told(world, 'Service/shop/web'),
    'shop/waypoint refused what was derived: port 80: no such thing; subset a: nor this; the last good version stays in force',
  );
  assert.match(told(world, 'ServiceEntry/shop/api') ?? '', /no destination; the last good/);
  assert.ok([...world.mesh.findings.values()].some(({ message }) => message.includes('no such thing')));

  const [resource] = parseManifests('new.yaml', rule('ROUND_ROBIN')).resources;
  assert.ok(resource !== undefined);
  world.mesh.graph.update(() => applyEvents(world.mesh.sources, [{ kind: 'set', resource } as never]));
  await Promise.resolve();
  assert.equal(told(world, 'Service/shop/web'), undefined);
  assert.ok(told(world, 'ServiceEntry/shop/api') !== undefined, 'nothing else was sent of it');
});

test('nobody speaks for a waypoint of another namespace, nor of what is not there', () => {
  const world = meshOf(join(waypoint, web));
  using ledger = ledgerOf(world);
  ledger.note(DESTINATION_TYPE, 'other', `${ofWeb}: lies`);
  ledger.note(PROXY_TYPE, 'shop', `${ofWeb}: lies`);
  ledger.note(DESTINATION_TYPE, 'shop', 'shop/waypoint/shop/nobody: lies');
  ledger.note(DESTINATION_TYPE, 'shop', 'lies');
  assert.equal(world.mesh.sources.refusals.size, 0);
  ledger.note(DESTINATION_TYPE, 'shop', `${ofWeb}: ${'x'.repeat(5000)}`);
  assert.ok((told(world, 'Service/shop/web') ?? '').length < 1200);
});

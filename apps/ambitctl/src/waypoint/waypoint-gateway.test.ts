import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWaypoint, waypointFacts, waypointGateway } from './waypoint-gateway.ts';

const wish = {
  namespace: 'shop',
  name: 'waypoint',
  traffic: undefined,
  className: 'ambit-waypoint',
  revision: undefined,
};

test('the Gateway says nothing that was not asked for', () => {
  assert.deepEqual(waypointGateway(wish), {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'waypoint', namespace: 'shop' },
    spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
  });
  assert.deepEqual(waypointGateway({ ...wish, traffic: 'all', revision: 'canary' })['metadata'], {
    name: 'waypoint',
    namespace: 'shop',
    labels: { 'istio.io/waypoint-for': 'all', 'istio.io/rev': 'canary' },
  });
});

test('other gateways are no waypoints', () => {
  assert.ok(isWaypoint(waypointGateway(wish)));
  assert.ok(!isWaypoint({ spec: { listeners: [{ port: 80, protocol: 'HTTP' }] } }));
  assert.ok(!isWaypoint({}));
});

test('a refusal is told rather than what follows from it', () => {
  const status = {
    conditions: [
      { type: 'Accepted', status: 'False', reason: 'InvalidParameters', message: 'no such ConfigMap' },
      { type: 'Programmed', status: 'False', reason: 'Invalid', message: 'not accepted' },
    ],
  };
  const facts = waypointFacts({ ...waypointGateway(wish), status });
  assert.deepEqual(
    [facts.programmed, facts.reason, facts.message],
    ['False', 'InvalidParameters', 'no such ConfigMap'],
  );
  assert.equal(waypointFacts(waypointGateway(wish)).programmed, 'Unknown');
});

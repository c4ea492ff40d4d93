import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GatewayObject, objectsAt, readGatewayObject } from './gateway-object.ts';
import { type GatewayStatusInput, waypointStatus } from './gateway-status.ts';

const service = { addresses: ['10.96.0.9', 'fd00::9'], hostname: 'waypoint.shop.svc.cluster.local', isServed: true };
const mesh = { name: 'mesh', port: 15_008, protocol: 'HBONE' };
const now = '2026-11-21T10:00:00Z';

function gatewayOf(spec: object = {}, status: object = {}, metadata: object = {}): GatewayObject {
  return readGatewayObject({
    metadata: { name: 'waypoint', namespace: 'shop', uid: 'u1', generation: 3, ...metadata },
    spec: { gatewayClassName: 'ambit-waypoint', listeners: [mesh], ...spec },
    status,
  });
}

function statusOf(input: Partial<GatewayStatusInput>): NonNullable<ReturnType<typeof waypointStatus>> {
  const status = waypointStatus({
    gateway: gatewayOf(),
    service,
    parameterProblem: undefined,
    taken: [],
    now,
    ...input,
  });
  assert.ok(status);
  return status;
}

const reasons = (status: unknown): readonly string[] =>
  objectsAt(status, 'conditions').map(({ type, status: value, reason }) => `${type}=${value} ${reason}`);

test('with a Service and a pod it is programmed, address first, host name second', () => {
  const status = statusOf({});
  assert.deepEqual(reasons(status), ['Accepted=True Accepted', 'Programmed=True Programmed']);
  assert.deepEqual(status['addresses'], [
    { type: 'IPAddress', value: '10.96.0.9' },
    { type: 'Hostname', value: 'waypoint.shop.svc.cluster.local' },
  ]);
  assert.deepEqual(reasons(objectsAt(status, 'listeners')[0]), [
    'Accepted=True Accepted',
    'Conflicted=False NoConflicts',
    'Programmed=True Programmed',
    'ResolvedRefs=True ResolvedRefs',
  ]);
});

test('a waypoint that never ran has no address, so that nothing is bound to it', () => {
  const status = statusOf({ service: { ...service, isServed: false } });
  assert.deepEqual(status['addresses'], []);
  assert.deepEqual(reasons(status), ['Accepted=True Accepted', 'Programmed=False AddressNotAssigned']);
});

test('addresses once written stay while no pod runs: bound services do not go around their waypoint', () => {
  const addresses = [{ type: 'IPAddress', value: '10.96.0.9' }];
  for (const gone of [undefined, { ...service, isServed: false }]) {
    assert.deepEqual(statusOf({ gateway: gatewayOf({}, { addresses }), service: gone })['addresses'], addresses);
  }
});

test('a listener that no waypoint has is refused', () => {
  const gateway = gatewayOf({ listeners: [{ name: 'web', port: 80, protocol: 'HTTP' }] });
  const status = statusOf({ gateway });
  assert.deepEqual(reasons(status), ['Accepted=False ListenersNotValid', 'Programmed=False Invalid']);
  assert.equal(reasons(objectsAt(status, 'listeners')[0])[0], 'Accepted=False UnsupportedProtocol');
});

test('bad parameters, foreign objects and odd addresses each say what is wrong', () => {
  const cases: readonly (readonly [Partial<GatewayStatusInput>, string])[] = [
    [{ parameterProblem: 'ConfigMap x does not exist' }, 'Accepted=False InvalidParameters'],
    [{ taken: ['Deployment waypoint'] }, 'Accepted=False Invalid'],
    [{ gateway: gatewayOf({ addresses: [{ value: '1.2.3.4' }] }) }, 'Accepted=False UnsupportedAddress'],
  ];
  for (const [input, expected] of cases) assert.equal(reasons(statusOf(input))[0], expected);
});

test('times stay while a status stays, generations follow, and what reads as wanted is not written', () => {
  const first = statusOf({});
  const later = '2026-11-21T11:00:00Z';
  const same = gatewayOf({}, first);
  assert.equal(
    waypointStatus({ gateway: same, service, parameterProblem: undefined, taken: [], now: later }),
    undefined,
  );
  const changed = statusOf({ gateway: gatewayOf({}, first, { generation: 4 }), now: later });
  for (const condition of objectsAt(changed, 'conditions')) {
    assert.equal(condition['lastTransitionTime'], now);
    assert.equal(condition['observedGeneration'], 4);
  }
  const lost = statusOf({ gateway: gatewayOf({}, first), service: { ...service, isServed: false }, now: later });
  assert.deepEqual(
    objectsAt(lost, 'conditions').map((condition) => condition['lastTransitionTime']),
    [now, later],
  );
});

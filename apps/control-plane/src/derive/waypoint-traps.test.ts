/** The traps of waypoints; see traps.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  meshOf,
  join,
  pod,
  service,
  gateway,
  namespace,
  policy,
  at,
  hasAddress,
  waypointOf,
} from './test-support/trap-mesh.ts';

test('trap 23: a waypoint exists with the address of its status, however few pods it has', () => {
  const use = service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: w }');
  const key = 'shop/s.shop.svc.cluster.local';
  assert.equal(waypointOf(meshOf(join(use, gateway('shop/w', 'addresses: []'))).service(key)), undefined);
  assert.equal(waypointOf(meshOf(join(use, gateway('shop/w', hasAddress))).service(key)), at);
});

test('trap 24: a label that cannot be honoured means no waypoint, not that of the namespace', () => {
  const { service: of, condition } = meshOf(
    join(
      namespace('shop', 'istio.io/use-waypoint: w'),
      gateway('shop/w', hasAddress),
      service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: missing }'),
    ),
  );
  assert.equal(waypointOf(of('shop/s.shop.svc.cluster.local')), undefined);
  assert.equal(condition('Service/shop/s'), 'istio.io/WaypointBound False WaypointIsNotReady');
});

test('a service whose policy only a missing waypoint could enforce is not called', () => {
  const use = (name: string, ip: string, more = '') =>
    service(
      `shop/${name}`,
      `clusterIP: ${ip}, ports: [{ port: 80 }]`,
      `labels: { istio.io/use-waypoint: missing${more} }`,
    );
  const target = (kind: string, name: string) => {
    const group = kind === 'Service' ? '""' : 'gateway.networking.k8s.io';
    return `targetRefs: [{ kind: ${kind}, group: ${group}, name: ${name} }], rules: [{}]`;
  };
  const text = join(
    use('open', '10.96.0.1'),
    use('closed', '10.96.0.2', ', istio.io/ingress-use-waypoint: "true"'),
    use('watched', '10.96.0.3'),
    service('shop/declined', 'clusterIP: 10.96.0.4, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: none }'),
    policy('shop/p', `action: DENY, ${target('Service', 'closed')}`),
    policy('shop/q', `action: DENY, ${target('Service', 'declined')}`),
    policy('shop/audit', `action: AUDIT, ${target('Service', 'watched')}`),
    policy('shop/dry', `action: DENY, ${target('Service', 'watched')}`, 'annotations: { istio.io/dry-run: "true" }'),
  );
  const key = (name: string) => `shop/${name}.shop.svc.cluster.local`;
  const waypoints = (mesh: ReturnType<typeof meshOf>) =>
    ['open', 'closed', 'watched', 'declined'].map((name) => waypointOf(mesh.service(key(name))));
  const mesh = meshOf(text);
  assert.deepEqual(waypoints(mesh), [undefined, 'missing.shop.waypoint.invalid', undefined, undefined]);
  assert.equal(mesh.service(key('closed')).ingressUseWaypoint, true);
  assert.match(
    mesh.mesh.statuses.get('Service/shop/closed/ambit-status')?.conditions?.[0]?.message ?? '',
    /calls are refused, because nobody else enforces AuthorizationPolicy shop\/p/,
  );
  const said = (name: string) =>
    mesh.mesh.statuses.get(`AuthorizationPolicy/shop/${name}/ambit-status`)?.conditions?.[0]?.message ?? '';
  assert.match(said('p'), /Service shop\/closed has not got the waypoint that it asks for, so calls are refused/);
  assert.match(said('q'), /Service shop\/declined has no waypoint, so nobody enforces this/);
  const byClass = policy('istio-system/all', `action: ALLOW, ${target('GatewayClass', 'ambit-waypoint')}`);
  assert.equal(waypoints(meshOf(join(text, byClass)))[0], 'missing.shop.waypoint.invalid');
  const byGateway = policy('shop/all', `action: ALLOW, ${target('Gateway', 'missing')}`);
  assert.equal(waypoints(meshOf(join(text, byGateway)))[2], 'missing.shop.waypoint.invalid');
  assert.equal(waypoints(meshOf(text, { refusesWithoutWaypoint: false }))[1], undefined);
  const pods = join(
    pod('shop/own', '10.0.0.1', { metadata: 'labels: { istio.io/use-waypoint: missing }' }),
    pod('infra/of-namespace', '10.0.0.2'),
    namespace('infra', 'istio.io/use-waypoint: missing'),
    byGateway,
    policy('infra/all', `action: ALLOW, ${target('Gateway', 'missing')}`),
  );
  assert.equal(waypointOf(meshOf(pods).pod('shop/own')), 'missing.shop.waypoint.invalid');
  assert.equal(waypointOf(meshOf(pods).pod('infra/of-namespace')), undefined, 'a waypoint may be for services alone');
});

test('trap 25: host name over address, port 15008 always, for services by default, elsewhere by allowedRoutes only', () => {
  const both = `addresses: [{ type: IPAddress, value: ${at} }, { type: Hostname, value: w.infra.svc }]`;
  const label = (name: string) => `labels: { istio.io/use-waypoint: ${name}, istio.io/use-waypoint-namespace: infra }`;
  const spec = (ip: string) => `clusterIP: ${ip}, ports: [{ port: 80 }]`;
  const { service: of, pod: find } = meshOf(
    join(
      gateway('infra/w', both, { listener: 'allowedRoutes: { namespaces: { from: All } }' }),
      gateway('infra/own', both),
      service('shop/allowed', spec('10.96.0.1'), label('w')),
      service('shop/denied', spec('10.96.0.2'), label('own')),
      pod('shop/p', '10.0.0.1', { metadata: label('w') }),
    ),
  );
  assert.equal(waypointOf(of('shop/allowed.shop.svc.cluster.local')), 'w.infra.svc');
  assert.equal(of('shop/allowed.shop.svc.cluster.local').waypoint?.hboneMtlsPort, 15_008);
  assert.equal(waypointOf(of('shop/denied.shop.svc.cluster.local')), undefined);
  assert.equal(waypointOf(find('shop/p')), undefined);
});

test('trap 26: any gateway with an address can be named as waypoint, its class is not looked at', () => {
  const { service: of } = meshOf(
    join(
      gateway('shop/ingress', hasAddress, { of: 'nginx' }),
      service('shop/s', 'clusterIP: 10.96.0.1, ports: [{ port: 80 }]', 'labels: { istio.io/use-waypoint: ingress }'),
    ),
  );
  assert.equal(waypointOf(of('shop/s.shop.svc.cluster.local')), at);
});

test('trap 47: the service of a managed waypoint is never bound to a waypoint', () => {
  const managed = 'labels: { gateway.istio.io/managed: istio.io-mesh-controller, istio.io/use-waypoint: w }';
  const { service: of } = meshOf(
    join(gateway('shop/w', hasAddress), service('shop/w', `clusterIP: ${at}, ports: [{ port: 15008 }]`, managed)),
  );
  assert.equal(waypointOf(of('shop/w.shop.svc.cluster.local')), undefined);
});

test('trap 48: ingress gateways use the waypoint only where a label says so', () => {
  const spec = (ip: string) => `clusterIP: ${ip}, ports: [{ port: 80 }]`;
  const { service: of } = meshOf(
    join(
      gateway('shop/w', hasAddress),
      service('shop/a', spec('10.96.0.1'), 'labels: { istio.io/use-waypoint: w }'),
      service(
        'shop/b',
        spec('10.96.0.2'),
        'labels: { istio.io/use-waypoint: w, istio.io/ingress-use-waypoint: "true" }',
      ),
    ),
  );
  assert.deepEqual(
    ['a', 'b'].map((name) => of(`shop/${name}.shop.svc.cluster.local`).ingressUseWaypoint),
    [false, true],
  );
});

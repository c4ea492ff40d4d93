import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardedHost, parseAuthority } from './authority.ts';
import { guessInboundService, servicesOf } from './inbound-service.ts';
import { gatewayAddress, inServices, ip, mesh, pod, service, waypointService } from './mesh.fixture.ts';
import { addressText } from './plan-outbound.ts';
import { type InboundPlan, planInbound } from './plan-inbound.ts';

const illegalPorts = new Set([15001, 15006, 15008]);

function text(plan: InboundPlan): string {
  if (plan.kind === 'rejected') return `${plan.status} ${plan.reason}`;
  const tunnel = plan.tunnel ? ` ${plan.tunnel.protocol} ${addressText(plan.tunnel.target)}` : '';
  return `${addressText(plan.target)}${tunnel}`;
}

interface Case {
  readonly name: string;
  readonly local?: Uint8Array;
  readonly others?: readonly Uint8Array[];
  readonly authority: string;
  readonly expected: string;
}

const proxyOfShop = pod('web', '10.0.0.2', { services: inServices('web') });
const named = { 'shop/web.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 9000 }] } };
const withTunnel = (port: number, protocol: 0 | 1 = 1) =>
  pod('web', '10.0.0.2', { services: inServices('web'), applicationTunnel: { protocol, port } });

const cases: readonly Case[] = [
  { name: 'the own address is accepted with its port', authority: '10.0.0.2:8080', expected: '10.0.0.2:8080' },
  {
    name: 'a foreign address is refused',
    authority: '10.0.0.3:8080',
    expected: '400 ip mismatch: 10.0.0.2 != 10.0.0.3',
  },
  {
    name: 'a port of the mesh is refused',
    authority: '10.0.0.2:15006',
    expected: '503 attempted recursive call to ourselves',
  },
  { name: 'port 15008 is refused', authority: '10.0.0.2:15008', expected: '503 attempted recursive call to ourselves' },
  {
    name: 'an unknown host name is refused',
    authority: 'nowhere.example:80',
    expected: '503 no service or workload for hostname: nowhere.example',
  },
  {
    name: 'a host name resolves through the numeric target port',
    local: pod('web', '10.0.0.2'),
    others: [service('web', '10.1.0.2')],
    authority: 'web.shop.svc.cluster.local:80',
    expected: '10.0.0.2:8080',
  },
  {
    name: "a host name resolves through the endpoint's own port first",
    local: pod('web', '10.0.0.2', { services: named }),
    others: [service('web', '10.1.0.2')],
    authority: 'web.shop.svc.cluster.local:80',
    expected: '10.0.0.2:9000',
  },
  {
    name: 'a host name with an unknown port is refused',
    others: [service('web', '10.1.0.2')],
    authority: 'web.shop.svc.cluster.local:81',
    expected: '503 requested service web.shop.svc.cluster.local:81 found, but cannot resolve port',
  },
  {
    name: 'a host name that resolves to a port of the mesh is refused',
    local: pod('web', '10.0.0.2'),
    others: [service('web', '10.1.0.2', { ports: [{ servicePort: 80, targetPort: 15001 }] })],
    authority: 'web.shop.svc.cluster.local:80',
    expected: '503 attempted recursive call to ourselves',
  },
  {
    name: 'an application tunnel accepts any address and takes its own port',
    local: withTunnel(15088),
    authority: '10.7.7.7:80',
    expected: '10.0.0.2:15088 proxy 10.7.7.7:80',
  },
  {
    name: 'the mesh-port test runs before the tunnel port replaces it',
    local: withTunnel(15088),
    authority: '10.7.7.7:15008',
    expected: '503 attempted recursive call to ourselves',
  },
  {
    name: 'an application tunnel without a port keeps the port',
    local: withTunnel(0, 0),
    authority: '10.7.7.7:80',
    expected: '10.0.0.2:80 none 10.7.7.7:80',
  },
  {
    name: 'an application tunnel names a VIP for a host name',
    local: withTunnel(15088),
    others: [
      service('web', '10.1.0.2', {
        addresses: [
          { network: 'far', address: ip('10.3.0.1') },
          { address: ip('fd00:1::2') },
          { address: ip('10.1.0.2') },
        ],
      }),
    ],
    authority: 'web.shop.svc.cluster.local:80',
    expected: '10.0.0.2:15088 proxy 10.1.0.2:80',
  },
  {
    name: 'an application tunnel for a host name without VIP is refused',
    local: withTunnel(15088),
    others: [service('web', '')],
    authority: 'web.shop.svc.cluster.local:80',
    expected: '503 requested service web.shop.svc.cluster.local found, but has no IP addresses',
  },
  {
    name: 'a service whose waypoint service has this endpoint is accepted',
    others: [service('web', '10.1.0.2'), service('app', '10.1.0.3', { waypoint: waypointService('web') })],
    authority: '10.1.0.3:80',
    expected: '10.0.0.2:80',
  },
  {
    name: 'a workload whose waypoint is this address is accepted',
    others: [pod('app', '10.0.0.5', { waypoint: gatewayAddress('10.0.0.2') })],
    authority: '10.0.0.5:80',
    expected: '10.0.0.2:80',
  },
  {
    name: 'a service with another waypoint is refused',
    others: [service('other', '10.1.0.4'), service('app', '10.1.0.3', { waypoint: waypointService('other') })],
    authority: '10.1.0.3:80',
    expected: '400 ip mismatch: 10.0.0.2 != 10.1.0.3',
  },
  {
    name: 'a service with a waypoint that is not there is refused',
    others: [service('app', '10.1.0.3', { waypoint: waypointService('gone') })],
    authority: '10.1.0.3:80',
    expected: '400 ip mismatch: 10.0.0.2 != 10.1.0.3',
  },
];

for (const { name, local, others, authority, expected } of cases) {
  test(name, () => {
    const { store } = mesh([local ?? proxyOfShop, ...(others ?? [])]);
    const workload = store.workloadByUid('Kubernetes//Pod/shop/web');
    const parsed = parseAuthority(authority);
    assert.ok(workload && parsed);
    const plan = planInbound({
      view: store,
      network: '',
      local: workload,
      localAddress: '10.0.0.2',
      authority: parsed,
      illegalPorts,
    });
    assert.equal(text(plan), expected);
  });
}

test('an authority is an address with port or a host name with port', () => {
  assert.deepEqual(parseAuthority('10.0.0.1:80'), { kind: 'address', address: '10.0.0.1', port: 80 });
  assert.deepEqual(parseAuthority('[FD00:0:0::1]:80'), { kind: 'address', address: 'fd00::1', port: 80 });
  assert.deepEqual(parseAuthority('[::ffff:10.0.0.1]:80'), { kind: 'address', address: '10.0.0.1', port: 80 });
  assert.deepEqual(parseAuthority('web.shop:0'), { kind: 'hostname', hostname: 'web.shop', port: 0 });
  for (const bad of [
    '',
    ':80',
    '10.0.0.1',
    '10.0.0.1:',
    '10.0.0.1:65536',
    '10.0.0.1:+80',
    'a b:80',
    'a/b:80',
    '[fd00::1:80',
    'fd00::1:80',
    '[10.0.0.1]x:80',
    'user@host:80',
  ]) {
    assert.equal(parseAuthority(bad), undefined, bad);
  }
});

test('the forwarded header gives a host, without its quotes', () => {
  assert.equal(forwardedHost('for="10.0.0.1:1";host=web.shop'), 'web.shop');
  assert.equal(forwardedHost('for=x; host="web.shop"'), 'web.shop');
  assert.equal(forwardedHost('Host=web'), undefined);
  assert.equal(forwardedHost('host='), undefined);
  assert.equal(forwardedHost('host=wéb'), undefined);
});

test('the service of an inbound connection is the named one, else the first with its port', () => {
  const { store } = mesh([
    pod('web', '10.0.0.2', { services: inServices('a', 'b') }),
    service('a', '', { ports: [{ servicePort: 80, targetPort: 0 }] }),
    service('b', ''),
    service('c', ''),
  ]);
  const workload = store.workloadByUid('Kubernetes//Pod/shop/web');
  assert.ok(workload);
  const services = servicesOf(store, workload);
  const guess = (port: number, host?: string) => guessInboundService(store, services, workload, port, host)?.name;
  assert.equal(guess(8080), 'a', 'through the endpoint mapping of a');
  assert.equal(guess(8080, 'b.shop.svc.cluster.local'), 'b');
  assert.equal(guess(8080, 'c.shop.svc.cluster.local'), 'a', 'not one of its services');
  assert.equal(guess(9999), undefined);
});

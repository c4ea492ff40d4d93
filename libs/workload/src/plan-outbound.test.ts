import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workload as api } from '@ambit/api';
import {
  encodeService,
  encodeWorkload,
  gatewayAddress,
  inServices,
  ip,
  mesh,
  pod,
  service,
  waypointService,
} from './mesh.fixture.ts';
import { type OutboundPlan, planOutbound } from './plan-outbound.ts';

const client = pod('client', '10.0.0.1');

interface Case {
  readonly name: string;
  readonly mesh: readonly Uint8Array[];
  readonly target: string;
  readonly expected: string;
  readonly as?: Uint8Array;
  readonly random?: number;
  readonly resolved?: Record<string, string[]>;
}

/** One line a plan: kind, next hop, authority, identities, destination workload, service. */
function text(plan: OutboundPlan): string {
  if (plan.kind === 'rejected') return `rejected ${plan.reason}`;
  if (plan.kind === 'resolve') return `resolve ${plan.hostname}`;
  const parts = [plan.kind, `${plan.nextHop.address} ${plan.nextHop.port}`];
  if (plan.kind !== 'tcp') parts.push(plan.authority, plan.expectedIdentities.map(shortId).join('+'));
  if (plan.kind === 'double-hbone') parts.push(`inner ${plan.innerIdentities.map(shortId).join('+')}`);
  parts.push(plan.destination?.name ?? '-', plan.service?.name ?? '-');
  return parts.join(' | ');
}

const shortId = (id: string) => id.replace('spiffe://cluster.local/ns/', '').replace('/sa/', '/');

const web = pod('web', '10.0.0.2', { services: inServices('web') });
const plain = pod('old', '10.0.0.3', { tunnelProtocol: api.TunnelProtocol.NONE, services: inServices('old') });
const proxy = pod('proxy', '10.0.0.9', {
  services: { 'shop/proxy.shop.svc.cluster.local': { ports: [{ servicePort: 15008, targetPort: 15008 }] } },
});
const proxyService = service('proxy', '10.1.0.9', { ports: [{ servicePort: 15008, targetPort: 15008 }] });
const remote = { network: 'far', networkGateway: gatewayAddress('172.16.0.1', 'far') };
const gateway = encodeWorkload({
  uid: 'NetworkGateway/far/172.16.0.1/15008',
  name: 'eastwest',
  namespace: 'istio-system',
  serviceAccount: 'eastwest',
  network: 'far',
  addresses: [ip('172.16.0.1')],
  tunnelProtocol: 1,
});

const cases: readonly Case[] = [
  {
    name: 'an unknown address is passed through in plaintext',
    mesh: [],
    target: '1.2.3.4:80',
    expected: 'tcp | 1.2.3.4 80 | - | -',
  },
  {
    name: 'a pod with HBONE is reached through a tunnel to port 15008',
    mesh: [web],
    target: '10.0.0.2:8080',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | shop/web | web | -',
  },
  {
    name: 'a pod without HBONE is reached in plaintext',
    mesh: [plain],
    target: '10.0.0.3:81',
    expected: 'tcp | 10.0.0.3 81 | old | -',
  },
  {
    name: 'a service leads to an endpoint and its target port',
    mesh: [web, service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | shop/web | web | web',
  },
  {
    name: 'a service without HBONE endpoints leads to plaintext',
    mesh: [plain, service('old', '10.1.0.3')],
    target: '10.1.0.3:80',
    expected: 'tcp | 10.0.0.3 8080 | old | old',
  },
  {
    name: 'a known service with an unknown port is refused',
    mesh: [web, service('web', '10.1.0.2')],
    target: '10.1.0.2:81',
    expected: 'rejected no healthy upstream: 10.1.0.2:81',
  },
  {
    name: 'a known service without endpoints is refused',
    mesh: [service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'rejected no healthy upstream: 10.1.0.2:80',
  },
  {
    name: 'a service whose only endpoint is not ready is refused',
    mesh: [pod('web', '10.0.0.2', { services: inServices('web'), status: 1 }), service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'rejected no healthy upstream: 10.1.0.2:80',
  },
  {
    name: 'ALLOW_ALL takes an endpoint that is not ready',
    mesh: [
      pod('web', '10.0.0.2', { services: inServices('web'), status: 1 }),
      service('web', '10.1.0.2', { loadBalancing: { healthPolicy: 1 } }),
    ],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | shop/web | web | web',
  },
  {
    name: 'a passthrough service goes to the original destination without labels',
    mesh: [service('db', '10.1.0.4', { loadBalancing: { mode: 3 } })],
    target: '10.1.0.4:80',
    expected: 'tcp | 10.1.0.4 80 | - | -',
  },
  {
    name: 'an endpoint of capacity zero takes nothing',
    mesh: [pod('web', '10.0.0.2', { services: inServices('web'), capacity: 0 }), service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'rejected no healthy upstream: 10.1.0.2:80',
  },
  {
    name: 'the endpoint resolves a named port',
    mesh: [
      pod('web', '10.0.0.2', {
        services: { 'shop/web.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 9999 }] } },
      }),
      service('web', '10.1.0.2', { ports: [{ servicePort: 80, targetPort: 0 }] }),
    ],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:9999 | shop/web | web | web',
  },
  {
    name: 'an endpoint without the named port is no candidate',
    mesh: [
      pod('web', '10.0.0.2', { services: { 'shop/web.shop.svc.cluster.local': { ports: [] } } }),
      service('web', '10.1.0.2', { ports: [{ servicePort: 80, targetPort: 0 }] }),
    ],
    target: '10.1.0.2:80',
    expected: 'rejected no healthy upstream: 10.1.0.2:80',
  },
  {
    name: 'the identities of the service come before that of the workload',
    mesh: [web, service('web', '10.1.0.2', { subjectAltNames: ['spiffe://cluster.local/ns/a/sa/b'] })],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | a/b+shop/web | web | web',
  },
  {
    name: 'L2 sends to the service when an address is both',
    mesh: [web, service('web', '10.0.0.2')],
    target: '10.0.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | shop/web | web | web',
  },
  {
    name: 'IPv6 addresses are bracketed in the authority',
    mesh: [pod('six', 'fd00::6')],
    target: '[fd00::6]:80',
    expected: 'hbone | fd00::6 15008 | [fd00::6]:80 | shop/six | six | -',
  },
  {
    name: 'a dual-stack endpoint is reached in the family of the target',
    mesh: [
      pod('web', '', { addresses: [ip('10.0.0.2'), ip('fd00::2')], services: inServices('web') }),
      service('web', 'fd00:1::2'),
    ],
    target: '[fd00:1::2]:80',
    expected: 'hbone | fd00::2 15008 | [fd00::2]:8080 | shop/web | web | web',
  },
  {
    name: "the family restriction of a service wins over the target's family",
    mesh: [
      pod('web', '', { addresses: [ip('10.0.0.2'), ip('fd00::2')], services: inServices('web') }),
      service('web', 'fd00:1::2', { ipFamilies: 1 }),
    ],
    target: '[fd00:1::2]:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | shop/web | web | web',
  },
  {
    name: 'an endpoint with a host name asks for its addresses',
    mesh: [pod('ext', '', { hostname: 'ext.example', services: inServices('ext') }), service('ext', '10.1.0.7')],
    target: '10.1.0.7:80',
    expected: 'resolve ext.example',
  },
  {
    name: 'a resolved host name is dialled in the family of the target',
    mesh: [
      pod('ext', '', { hostname: 'ext.example', services: inServices('ext'), tunnelProtocol: 0 }),
      service('ext', '10.1.0.7'),
    ],
    target: '10.1.0.7:80',
    resolved: { 'ext.example': ['fd00::9', '9.9.9.9'] },
    expected: 'tcp | 9.9.9.9 8080 | ext | ext',
  },
  {
    name: 'a host name without addresses is refused',
    mesh: [pod('ext', '', { hostname: 'ext.example', services: inServices('ext') }), service('ext', '10.1.0.7')],
    target: '10.1.0.7:80',
    resolved: { 'ext.example': [] },
    expected: 'rejected no ip addresses were resolved for workload: Kubernetes//Pod/shop/ext',
  },
  {
    name: 'a service waypoint gets the original target as authority',
    mesh: [web, proxy, proxyService, service('web', '10.1.0.2', { waypoint: waypointService('proxy') })],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.9 15008 | 10.1.0.2:80 | shop/proxy | proxy | web',
  },
  {
    name: 'a service waypoint by address works too',
    mesh: [web, proxy, proxyService, service('web', '10.1.0.2', { waypoint: gatewayAddress('10.1.0.9') })],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.9 15008 | 10.1.0.2:80 | shop/proxy | proxy | web',
  },
  {
    name: 'a service waypoint is used for ports the service does not have',
    mesh: [proxy, proxyService, service('web', '10.1.0.2', { waypoint: waypointService('proxy') })],
    target: '10.1.0.2:9',
    expected: 'hbone | 10.0.0.9 15008 | 10.1.0.2:9 | shop/proxy | proxy | web',
  },
  {
    name: 'a missing service waypoint refuses',
    mesh: [web, service('web', '10.1.0.2', { waypoint: waypointService('proxy') })],
    target: '10.1.0.2:80',
    expected: 'rejected unknown waypoint: shop/proxy.shop.svc.cluster.local not found',
  },
  {
    name: 'a service waypoint without endpoints refuses',
    mesh: [web, proxyService, service('web', '10.1.0.2', { waypoint: waypointService('proxy') })],
    target: '10.1.0.2:80',
    expected: 'rejected unknown waypoint: shop/proxy.shop.svc.cluster.local not found',
  },
  {
    name: 'pod-addressed traffic does not use the service waypoint',
    mesh: [web, proxy, proxyService, service('web', '10.1.0.2', { waypoint: waypointService('proxy') })],
    target: '10.0.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:80 | shop/web | web | -',
  },
  {
    name: 'a workload waypoint is used for pod-addressed traffic',
    mesh: [pod('web', '10.0.0.2', { waypoint: waypointService('proxy') }), proxy, proxyService],
    target: '10.0.0.2:80',
    expected: 'hbone | 10.0.0.9 15008 | 10.0.0.2:80 | shop/proxy | proxy | -',
  },
  {
    name: 'a missing workload waypoint refuses',
    mesh: [pod('web', '10.0.0.2', { waypoint: gatewayAddress('10.7.7.7') })],
    target: '10.0.0.2:80',
    expected: 'rejected unknown waypoint: /10.7.7.7 not found',
  },
  {
    name: 'service-addressed traffic does not use the workload waypoint',
    mesh: [
      pod('web', '10.0.0.2', { waypoint: waypointService('proxy'), services: inServices('web') }),
      proxy,
      proxyService,
      service('web', '10.1.0.2'),
    ],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:8080 | shop/web | web | web',
  },
  {
    name: 'the waypoint itself goes to the workload directly',
    as: proxy,
    mesh: [pod('web', '10.0.0.2', { waypoint: waypointService('proxy') }), proxyService],
    target: '10.0.0.2:80',
    expected: 'hbone | 10.0.0.2 15008 | 10.0.0.2:80 | shop/web | web | -',
  },
  {
    name: 'sharing only the account of the waypoint is not being the waypoint',
    as: pod('imposter', '10.0.0.66', { serviceAccount: 'proxy' }),
    mesh: [pod('web', '10.0.0.2', { waypoint: waypointService('proxy') }), proxy, proxyService],
    target: '10.0.0.2:80',
    expected: 'hbone | 10.0.0.9 15008 | 10.0.0.2:80 | shop/proxy | proxy | -',
  },
  {
    name: 'weights choose among waypoints',
    random: 0.5,
    mesh: [
      proxy,
      proxyService,
      pod('canary', '10.0.0.8', {
        services: { 'shop/canary.shop.svc.cluster.local': { ports: [{ servicePort: 15008, targetPort: 15008 }] } },
      }),
      service('canary', '10.1.0.8', { ports: [{ servicePort: 15008, targetPort: 15008 }] }),
      service('web', '10.1.0.2', {
        waypoint: waypointService('proxy'),
        weightedWaypoints: [
          { destination: waypointService('proxy'), weight: 1 },
          { destination: waypointService('canary'), weight: 3 },
        ],
      }),
    ],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.8 15008 | 10.1.0.2:80 | shop/canary | canary | web',
  },
  {
    name: 'weights of zero fall back to the single waypoint',
    mesh: [
      proxy,
      proxyService,
      service('web', '10.1.0.2', {
        waypoint: waypointService('proxy'),
        weightedWaypoints: [{ destination: waypointService('gone'), weight: 0 }],
      }),
    ],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.9 15008 | 10.1.0.2:80 | shop/proxy | proxy | web',
  },
  {
    name: 'a waypoint with an application tunnel need not have the port on its service',
    mesh: [
      pod('proxy', '10.0.0.9', {
        applicationTunnel: { protocol: 1, port: 15088 },
        services: { 'shop/proxy.shop.svc.cluster.local': { ports: [] } },
      }),
      service('proxy', '10.1.0.9', { ports: [] }),
      service('web', '10.1.0.2', { waypoint: waypointService('proxy') }),
    ],
    target: '10.1.0.2:80',
    expected: 'hbone | 10.0.0.9 15008 | 10.1.0.2:80 | shop/proxy | proxy | web',
  },
  {
    name: 'an endpoint of another network is reached through its gateway',
    mesh: [
      gateway,
      pod('web', '', { ...remote, services: inServices('web') }),
      service('web', '10.1.0.2', { subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/web'] }),
    ],
    target: '10.1.0.2:80',
    expected:
      'double-hbone | 172.16.0.1 15008 | web.shop.svc.cluster.local:80 | istio-system/eastwest | inner shop/web | eastwest | web',
  },
  {
    name: 'an endpoint of another network without gateway is refused',
    mesh: [pod('web', '10.9.9.9', { network: 'far', services: inServices('web') }), service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'rejected no valid routing destination for workload: Kubernetes//Pod/shop/web',
  },
  {
    name: 'a gateway that is not there refuses',
    mesh: [pod('web', '', { ...remote, services: inServices('web') }), service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'rejected unknown network gateway: far/172.16.0.1 not found',
  },
  {
    name: 'a pod of another network is not reachable by its raw address',
    mesh: [pod('web', '10.9.9.9', remote)],
    target: '10.9.9.9:80',
    expected: 'tcp | 10.9.9.9 80 | - | -',
  },
  {
    name: 'an addressless endpoint of the own network is no candidate',
    mesh: [pod('web', '', { services: inServices('web') }), service('web', '10.1.0.2')],
    target: '10.1.0.2:80',
    expected: 'rejected no healthy upstream: 10.1.0.2:80',
  },
  {
    name: 'a service of another namespace only is invisible and passed through',
    mesh: [
      encodeService({
        name: 'x',
        namespace: 'other',
        hostname: 'x',
        visibility: 1,
        addresses: [{ address: ip('10.1.0.5') }],
        ports: [{ servicePort: 80, targetPort: 80 }],
      }),
    ],
    target: '10.1.0.5:80',
    expected: 'tcp | 10.1.0.5 80 | - | -',
  },
];

for (const { name, target, expected, as, random, resolved, mesh: resources } of cases) {
  test(name, () => {
    const caller = as ?? client;
    const arena = mesh([caller, ...resources], { localNode: 'node1' });
    const source = [...arena.store.workloads()][0];
    assert.ok(source);
    const colon = target.lastIndexOf(':');
    const plan = planOutbound({
      view: arena.store,
      network: '',
      source,
      sourceAddress: source.addresses[0] ?? '',
      target: { address: target.slice(0, colon).replace(/[[\]]/gu, ''), port: Number(target.slice(colon + 1)) },
      random: () => random ?? 0,
      ...(resolved === undefined ? {} : { resolved: new Map(Object.entries(resolved)) }),
    });
    assert.equal(text(plan), expected);
  });
}

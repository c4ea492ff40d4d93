/** An ingress gateway before a service that wants its waypoint asked, whoever comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxy as messages, workload as api } from '@ambit/api';
import { freePort } from '@ambit/testing';
import { create, toBinary } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './test-support/mesh-messages.ts';
import { WaypointRig } from './test-support/waypoint-rig.ts';

const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
const waypoint = {
  destination: {
    case: 'hostname' as const,
    value: { namespace: 'shop', hostname: 'guard.shop.svc.cluster.local' },
  },
  hboneMtlsPort: 15_008,
};

const canary = {
  destination: {
    case: 'hostname' as const,
    value: { namespace: 'shop', hostname: 'canary.shop.svc.cluster.local' },
  },
  hboneMtlsPort: 15_008,
};

/** Port of a gateway that sends everything to `web`, a service of that port. */
async function gateway(
  rig: WaypointRig,
  webPort: number,
  ingressUseWaypoint: boolean,
  canaryPercent?: number,
): Promise<number> {
  const port = await freePort();
  const ports = [{ servicePort: webPort, targetPort: webPort }];
  const weightedWaypoints =
    canaryPercent === undefined
      ? []
      : [
          { destination: waypoint, weight: 100 - canaryPercent },
          { destination: canary, weight: canaryPercent },
        ];
  rig.mesh(
    service('web', '10.9.0.1', { ports, waypoint, ingressUseWaypoint, weightedWaypoints }),
    service('canary', '10.9.0.3'),
    pod('web', '127.0.0.1', {}, { ...plain, services: { 'shop/web.shop.svc.cluster.local': { ports } } }),
    service('guard', '10.9.0.2'),
  );
  const [name, bytes] = destination('web', { port: webPort }, { served: false });
  const backend = { namespace: 'shop', hostname: 'web.shop.svc.cluster.local', port: webPort };
  const target = { case: 'backend' as const, value: backend };
  const action = { case: 'forward' as const, value: { backends: [{ weight: 1, target }] } };
  const listener = { name: 'http', protocol: messages.ServerListener_ServerProtocol.SERVER_HTTP };
  const hosts = [{ hostname: '', routes: [{ name: 'all', action, retries: { maxRetries: 0 } }] }];
  const serverName = `shop/edge/${port}`;
  rig.configure({
    proxy: proxy({ kind: messages.Proxy_Kind.GATEWAY, destinations: [name], servers: [serverName] }),
    destinations: [[name, bytes]],
    servers: [
      [
        serverName,
        toBinary(messages.ServerSchema, create(messages.ServerSchema, { port, listeners: [{ ...listener, hosts }] })),
      ],
    ],
  });
  return port;
}

test('trap: a service that asks for it is reached through its waypoint, by its own address, and never around it', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((_request, response) => void response.end('web'));
  const port = await gateway(rig, web.port, true);
  const before = await rig.fetch(port, '/', {});
  assert.equal(before.status, 503);
  // The node of the tests connects to the port that is asked for, as the waypoint would in the end.
  rig.serveNode('spiffe://cluster.local/ns/shop/sa/guard');
  rig.mesh(pod('guard', '127.0.0.1', { guard: 15_008 }, { uid: 'Kubernetes//Pod/shop/guard' }));
  const after = await rig.fetch(port, '/', {});
  assert.deepEqual([after.status, after.body], [200, 'web']);
  assert.deepEqual(
    rig.node.requests.map(({ authority }) => authority),
    [`10.9.0.1:${web.port}`],
  );
});

test('without the wish an ingress goes to the endpoints, as in Istio', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((_request, response) => void response.end('web'));
  const port = await gateway(rig, web.port, false);
  const { status, body } = await rig.fetch(port, '/', {});
  assert.deepEqual([status, body], [200, 'web']);
  assert.equal(rig.node.requests.length, 0);
});

test('of two weighted waypoints each gets its share of the requests, and all when the other has no instance', async () => {
  await using rig = await WaypointRig.open();
  const web = await rig.backend((_request, response) => void response.end('web'));
  const port = await gateway(rig, web.port, true, 25);
  rig.serveNode('spiffe://cluster.local/ns/shop/sa/guard');
  rig.mesh(pod('guard', '127.0.0.1', { guard: 15_008 }, { uid: 'Kubernetes//Pod/shop/guard' }));
  const statuses = async (count: number): Promise<Readonly<Record<string, number>>> => {
    const seen: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { status } = await rig.fetch(port, '/', {});
      seen[status] = (seen[status] ?? 0) + 1;
    }
    return seen;
  };
  assert.deepEqual(await statuses(8), { 200: 8 }, 'the canary has no instance yet');
  // Its node does not prove who it is, which tells its requests from those of the other.
  rig.mesh(pod('canary', '127.0.0.1', { canary: 15_008 }, { uid: 'Kubernetes//Pod/shop/canary' }));
  assert.deepEqual(await statuses(20), { 200: 15, 503: 5 });
});

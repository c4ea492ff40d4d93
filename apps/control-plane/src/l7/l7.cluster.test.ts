/** Routes on a real API server: their status, and what the waypoint's own pod is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiKinds } from '@ambit/kube';
import { oneReplica } from '../testing/replicas.ts';
import { at, until, noCluster } from '../testing/test-cluster.ts';
import { WaypointProbe } from '../testing/waypoint-probe.ts';

const skip = noCluster;

const one = oneReplica([apiKinds.Gateway, apiKinds.HTTPRoute]);

const rule = (path: string): object => ({
  name: 'r',
  matches: [{ path: { type: 'PathPrefix', value: path } }],
  backendRefs: [{ name: 'web', port: 80 }],
});

function route(path: string): Readonly<Record<string, unknown>> {
  return { spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web' }], rules: [rule(path)] } };
}

/** What a caller with this token gets of the waypoint's configuration; it stays open. */
function watch(port: number, token: string, serviceAccount: string): WaypointProbe {
  const place = { namespace: one.cluster.shop, serviceAccount, nodeName: one.replicas.node, instanceIp: '10.1.0.9' };
  return new WaypointProbe({ port, rootsPem: one.replicas.rootsPem, token }, place).subscribe();
}

test('a route is in the status of the route and at the waypoint, and at nobody else', { skip }, async () => {
  const { shop } = one.cluster;
  await one.cluster.apply(apiKinds.Gateway, shop, 'waypoint', {
    spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
    status: { addresses: [{ type: 'IPAddress', value: '10.1.0.9' }] },
  });
  await one.cluster.apply(apiKinds.Service, shop, 'web', {
    metadata: { labels: { 'istio.io/use-waypoint': 'waypoint' } },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80 }] },
  });
  const told = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' };
  const foreign = {
    controllerName: 'example.com/other',
    parentRef: { name: 'x' },
    conditions: [{ ...told, lastTransitionTime: '2026-01-01T00:00:00Z' }],
  };
  await one.cluster.apply(apiKinds.HTTPRoute, shop, 'r', { ...route('/one'), status: { parents: [foreign] } });
  const status = async (): Promise<unknown> => {
    const object = await one.cluster.client.get(one.cluster.ref(apiKinds.HTTPRoute, shop, 'r'));
    return at(object, 'status', 'parents');
  };
  const own = await until(
    async () => {
      const parents = await status();
      return at(parents, 1, 'controllerName') === 'ambit.dev/mesh-controller' ? at(parents, 1) : undefined;
    },
    () => one.replica.lines.slice(-20),
  );
  assert.deepEqual(at(await status(), 0, 'controllerName'), 'example.com/other');
  const conditions = [0, 1, 2].map((index) => [
    at(own, 'conditions', index, 'type'),
    at(own, 'conditions', index, 'status'),
  ]);
  assert.deepEqual(conditions, [
    ['Accepted', 'True'],
    ['ResolvedRefs', 'True'],
    ['ResolvedWaypoints', 'True'],
  ]);

  const { port } = await until(() => one.replica.ports());
  const labels = { 'gateway.networking.k8s.io/gateway-name': 'waypoint' };
  await one.cluster.runPod(shop, 'waypoint-1', '10.1.0.9', { account: 'waypoint', labels });
  await one.cluster.runPod(shop, 'thief-1', '10.1.0.8', { account: 'thief', labels });
  using waypoint = watch(port, await one.cluster.token(shop, 'waypoint', 'waypoint-1', 'istio-ca'), 'waypoint');
  using thief = watch(port, await one.cluster.token(shop, 'thief', 'thief-1', 'istio-ca'), 'thief');
  await until(
    () => waypoint.types.size === 2,
    () => one.replica.lines.slice(-20),
  );
  await one.cluster.apply(apiKinds.HTTPRoute, shop, 'r', route('/two'));
  await until(
    () => waypoint.paths.length > 1,
    () => waypoint.paths,
  );
  assert.deepEqual(waypoint.paths, [['/one'], ['/two']]);
  assert.deepEqual([...thief.types], []);
});

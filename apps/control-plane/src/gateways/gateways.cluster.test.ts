/** A control plane that deploys waypoints, on a real API server, with exactly the rights of `rbac*.yaml`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { apiKinds, rawKinds } from '@ambit/kube';
import { makeTestCa } from '@ambit/testing';
import { ControlPlaneProcess } from '../testing/control-plane-process.ts';
import { replicaEnvironment } from '../testing/replicas.ts';
import { at, noCluster, TestCluster, until } from '../testing/test-cluster.ts';
import { generatedKinds } from './generated-kinds.ts';

const skip = noCluster;

const ca = makeTestCa();
let cluster: TestCluster;
let replica: ControlPlaneProcess;

before(async () => {
  if (skip !== false) return;
  cluster = await TestCluster.open();
  const { server } = cluster.client.access;
  for (const kind of [apiKinds.Gateway, apiKinds.GatewayClass]) await cluster.installOpenDefinition(kind);
  const kubeconfig = await cluster.controlPlaneAccount(server.href, 'rbac-gateways.yaml');
  replica = new ControlPlaneProcess({
    ...replicaEnvironment(cluster, ca, kubeconfig),
    AMBIT_WAYPOINT_IMAGE: 'localhost/ambit/waypoint:test',
  });
  await until(
    () => replica.ports(),
    () => replica.lines,
  );
});

after(async () => {
  if (skip !== false) return;
  await replica?.[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const gateway = {
  spec: {
    gatewayClassName: 'ambit-waypoint',
    listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
  },
};
const read = (key: keyof typeof generatedKinds, name: string): Promise<unknown> =>
  cluster.client.get({ kind: generatedKinds[key], namespace: cluster.shop, name });
const status = async (name: string): Promise<unknown> =>
  at(await cluster.client.get({ kind: apiKinds.Gateway, namespace: cluster.shop, name }), 'status');
const reasonOf = (of: unknown, type: string): unknown => {
  const conditions = at(of, 'conditions');
  return Array.isArray(conditions)
    ? at(
        conditions.find((condition) => at(condition, 'type') === type),
        'reason',
      )
    : undefined;
};

test('its class is created and accepted', { skip }, async () => {
  const ref = { kind: apiKinds.GatewayClass, name: 'ambit-waypoint' };
  const found = await until(
    async () => {
      const object = await cluster.client.get(ref);
      return at(object, 'status', 'conditions', 0, 'status') === 'True' && object;
    },
    () => replica.lines,
  );
  assert.equal(at(found, 'spec', 'controllerName'), 'ambit.dev/mesh-controller');
});

test('a Gateway becomes a Deployment, and is bound only when an instance is ready', { skip }, async () => {
  await cluster.apply(apiKinds.Gateway, cluster.shop, 'waypoint', gateway);
  const deployment = await until(
    () => read('deployment', 'waypoint'),
    () => replica.lines,
  );
  assert.equal(at(deployment, 'spec', 'template', 'spec', 'containers', 0, 'image'), 'localhost/ambit/waypoint:test');
  await until(async () => reasonOf(await status('waypoint'), 'Programmed') === 'AddressNotAssigned');
  assert.deepEqual(at(await status('waypoint'), 'addresses') ?? [], []);
  const service = await until(() => read('service', 'waypoint'));
  const labels = at(service, 'metadata', 'labels');
  await cluster.apply(apiKinds.EndpointSlice, cluster.shop, 'waypoint-1', {
    metadata: { labels: { ...Object(labels), 'kubernetes.io/service-name': 'waypoint' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.9.9'], conditions: { ready: true } }],
    ports: [{ name: 'mesh', port: 15_008, protocol: 'TCP' }],
  });
  const programmed = await until(
    async () => {
      const now = await status('waypoint');
      return reasonOf(now, 'Programmed') === 'Programmed' && now;
    },
    () => replica.lines,
  );
  const hostname = `waypoint.${cluster.shop}.svc.cluster.local`;
  assert.deepEqual(at(programmed, 'addresses'), [
    { type: 'IPAddress', value: at(service, 'spec', 'clusterIP') },
    { type: 'Hostname', value: hostname },
  ]);
});

test('what users lay over is in force, and taken away again', { skip }, async () => {
  await cluster.apply(rawKinds.ConfigMap, cluster.shop, 'custom', {
    data: { podDisruptionBudget: 'spec: { minAvailable: 1 }', deployment: 'spec: { replicas: 2 }' },
  });
  const infrastructure = { parametersRef: { group: '', kind: 'ConfigMap', name: 'custom' } };
  await cluster.apply(apiKinds.Gateway, cluster.shop, 'custom', { spec: { ...gateway.spec, infrastructure } });
  await until(
    () => read('podDisruptionBudget', 'custom'),
    () => replica.lines,
  );
  assert.equal(at(await read('deployment', 'custom'), 'spec', 'replicas'), 2);
  await cluster.apply(apiKinds.Gateway, cluster.shop, 'custom', gateway);
  await until(async () => (await read('podDisruptionBudget', 'custom')) === undefined);
});

test('trap 47: objects of others are left alone, and the Gateway says so', { skip }, async () => {
  await cluster.apply(apiKinds.Service, cluster.shop, 'mine', { spec: { ports: [{ port: 80 }] } });
  await cluster.apply(apiKinds.Gateway, cluster.shop, 'mine', gateway);
  await until(
    async () => reasonOf(await status('mine'), 'Accepted') === 'Invalid',
    () => replica.lines,
  );
  assert.equal(await read('deployment', 'mine'), undefined);
  const service = await read('service', 'mine');
  assert.equal(at(service, 'metadata', 'ownerReferences'), undefined);
});

test('a reference to nothing is named in the status', { skip }, async () => {
  const infrastructure = { parametersRef: { group: '', kind: 'ConfigMap', name: 'nothing' } };
  await cluster.apply(apiKinds.Gateway, cluster.shop, 'lost', { spec: { ...gateway.spec, infrastructure } });
  await until(
    async () => reasonOf(await status('lost'), 'Accepted') === 'InvalidParameters',
    () => replica.lines,
  );
});

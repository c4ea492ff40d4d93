import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '@ambit/kube-lab';
import { Guest } from './guest.ts';
import { Mesh } from './mesh.ts';
import { Objects } from './objects.ts';

/** A cluster that lists these objects and remembers what it was told to do. */
function fake(objects: { namespaces: readonly string[]; customresourcedefinitions: readonly string[] }): {
  readonly cluster: Cluster;
  readonly done: string[];
} {
  const done: string[] = [];
  const cluster: Cluster = {
    kubeconfig: '/nowhere',
    environment: {},
    machines: undefined,
    kubectl: async (args) => {
      const [verb, kind] = args;
      if (verb === 'get') return objects[kind === 'namespaces' ? kind : 'customresourcedefinitions'].join(' ');
      done.push(args.filter((arg) => !arg.startsWith('--')).join(' '));
      return '';
    },
    helm: async (args) => {
      done.push(`helm ${args.slice(0, 2).join(' ')}`);
      return '';
    },
    release: () => {},
    nodes: async () => ['a', 'b'],
    loadImages: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return { cluster, done };
}

const meshOf = (cluster: Cluster): Mesh => new Mesh(cluster, new Objects(cluster, ['a', 'b']));

test('a guest does not enter where a mesh or an earlier run is', async () => {
  for (const taken of ['ambit-system', 'e2e-shop']) {
    const { cluster, done } = fake({ namespaces: ['default', taken], customresourcedefinitions: [] });
    await assert.rejects(Guest.arrive(cluster, meshOf(cluster)), {
      code: 'NOT_READY',
      message: new RegExp(`namespace ${taken} already.*--attach`),
    });
    assert.deepEqual(done, []);
  }
});

test('a guest takes away what it brought and nothing else', async () => {
  const objects = { namespaces: ['default', 'shop'], customresourcedefinitions: ['telemetries.telemetry.istio.io'] };
  const { cluster, done } = fake(objects);
  const guest = await Guest.arrive(cluster, meshOf(cluster));
  objects.namespaces = ['default', 'shop', 'e2e-shop', 'ambit-system'];
  objects.customresourcedefinitions = ['telemetries.telemetry.istio.io', 'serviceentries.networking.istio.io', 'x.y'];
  await guest.leave();
  assert.deepEqual(done, [
    'helm uninstall ambit',
    'helm uninstall ambit-crds',
    'delete namespace e2e-shop ambit-system',
    'delete customresourcedefinition serviceentries.networking.istio.io',
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '@ambit/collections';
import { type KubeClient, KubeError, parseManifests, ResourceTable } from '@ambit/kube';
import { ManualClock } from '@ambit/runtime';
import { eventually } from '@ambit/testing';
import { loadSources, meshSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';
import { keepGatewayClasses } from './gateway-classes.ts';
import { objectAt, objectsAt, textAt } from './gateway-object.ts';
import { managedClasses } from './managed-class.ts';

const gatewayClass = (name: string, controllerName: string): string => `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: ${name} }
spec: { controllerName: ${controllerName} }`;

const text = [
  gatewayClass('ambit', 'ambit.dev/gateway-controller'),
  gatewayClass('ambit-waypoint', 'ambit.dev/mesh-controller'),
  gatewayClass('theirs', 'example.com/controller'),
].join('\n---\n');

/** What is applied to the statuses of classes, by name. */
async function statuses(channel: string, refuse: (status: unknown) => void = () => undefined) {
  const graph = new Graph();
  const sources = meshSources(graph, defaultMeshSettings);
  const table = new ResourceTable(parseManifests('classes.yaml', text).resources);
  graph.update(() => loadSources(sources, table));
  const applied = new Map<string, unknown>();
  const client: Pick<KubeClient, 'apply' | 'get'> = {
    get: async ({ kind, name }) => {
      if (kind.kind === 'CustomResourceDefinition') {
        return { metadata: { annotations: { 'gateway.networking.k8s.io/channel': channel } } };
      }
      return { metadata: { generation: 4 }, spec: sources.GatewayClass.get(name)?.spec };
    },
    apply: async ({ name }, object) => {
      refuse(object['status']);
      applied.set(name, object['status']);
    },
  };
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet };
  const stop = new AbortController();
  const options = { client, classes: managedClasses(false), sources, log, clock: new ManualClock() };
  const running = keepGatewayClasses(options, stop.signal);
  await eventually('both statuses', () => applied.size >= 2);
  stop.abort();
  await running;
  const features = (name: string): readonly string[] =>
    objectsAt(applied.get(name), 'supportedFeatures').map((feature) => textAt(feature, 'name'));
  return { applied, features };
}

test('classes of ours are accepted, and gateways tell what they can do, sorted', async () => {
  const { applied, features } = await statuses('standard');
  assert.deepEqual([...applied.keys()].toSorted(), ['ambit', 'ambit-waypoint']);
  assert.equal(objectsAt(applied.get('ambit'), 'conditions')[0]?.['observedGeneration'], 4);
  assert.ok(features('ambit').includes('ListenerSet') && !features('ambit').includes('HTTPRouteRetry'));
  assert.deepEqual(features('ambit'), features('ambit').toSorted());
  assert.deepEqual(features('ambit-waypoint'), []);
});

test('fields of the experimental channel are told where its definitions are installed', async () => {
  const { features } = await statuses('experimental');
  assert.ok(features('ambit').includes('HTTPRouteRetry'));
  assert.deepEqual(features('ambit'), features('ambit').toSorted());
});

test('definitions without a list of features do not keep a class from being accepted', async () => {
  const { applied } = await statuses('standard', (status) => {
    if (Object.keys(objectAt({ status }, 'status')).includes('supportedFeatures')) {
      throw new KubeError('INVALID', '.status.supportedFeatures: field not declared in schema');
    }
  });
  assert.deepEqual(Object.keys(objectAt({ status: applied.get('ambit') }, 'status')), ['conditions']);
});
